/* Distance on the earth. */
#ifndef WEIR_SRC_CORE_GEO_H
#define WEIR_SRC_CORE_GEO_H

/* Great-circle distance in kilometres between two places in degrees, on a sphere of the mean radius
 * 6371.0088 km (at most 0.6 % off the ellipsoid).
 * Source: Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984). */
double weir_geo_distance_km(double latitude_a, double longitude_a, double latitude_b, double longitude_b);

#endif
