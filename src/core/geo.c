#include "core/geo.h"

#include <math.h>

#define EARTH_RADIUS_KM 6371.0088
#define RADIANS_PER_DEGREE 0.017453292519943295

double weir_geo_distance_km(double latitude_a, double longitude_a, double latitude_b, double longitude_b)
{
    double north = sin((latitude_b - latitude_a) * RADIANS_PER_DEGREE / 2);
    double east = sin((longitude_b - longitude_a) * RADIANS_PER_DEGREE / 2);
    double h = north * north +
               cos(latitude_a * RADIANS_PER_DEGREE) * cos(latitude_b * RADIANS_PER_DEGREE) * east * east;
    return 2 * EARTH_RADIUS_KM * asin(sqrt(h < 1 ? h : 1));
}
