#include "weir/core/event.h"

#include <math.h>

enum { COORDINATE_ONE = 1 << 23 };

static int32_t pack_degrees(double degrees, double full)
{
    double scaled = nearbyint(degrees * COORDINATE_ONE / full);
    if (scaled > COORDINATE_ONE - 1)
        return COORDINATE_ONE - 1;
    return scaled < -COORDINATE_ONE ? -COORDINATE_ONE : (int32_t)scaled;
}

int32_t weir_latitude_pack(double degrees)
{
    int32_t packed = pack_degrees(degrees, 90);
    return packed == WEIR_LATITUDE_NONE ? packed + 1 : packed;
}

int32_t weir_longitude_pack(double degrees)
{
    return pack_degrees(degrees, 180);
}

double weir_latitude_unpack(int32_t packed)
{
    return (double)packed * 90 / COORDINATE_ONE;
}

double weir_longitude_unpack(int32_t packed)
{
    return (double)packed * 180 / COORDINATE_ONE;
}

uint16_t weir_code_pack(const uint8_t *letters, size_t size)
{
    if (size < 2 || size > 3)
        return 0;
    unsigned packed = 0;
    for (size_t i = 0; i < size; i++) {
        if (letters[i] < 'A' || letters[i] > 'Z')
            return 0;
        packed = packed << 5 | (unsigned)(letters[i] - 'A' + 1);
    }
    return (uint16_t)packed;
}

/* Letters are 1..26, so a three-letter code is always above every two-letter one. */
void weir_code_unpack(uint16_t packed, char text_out[4])
{
    size_t size = 0;
    for (int shift = 10; shift >= 0; shift -= 5) {
        unsigned letter = (unsigned)packed >> shift & 31;
        if (letter)
            text_out[size++] = (char)('A' + letter - 1);
    }
    text_out[size] = '\0';
}

#define CURRENCY(a, b, c) (((a) - 'A' + 1) << 10 | ((b) - 'A' + 1) << 5 | ((c) - 'A' + 1))

/* Source: ISO 4217 list one (2024), minor unit column; what is not listed has two digits. */
int weir_currency_exponent(uint16_t packed_currency)
{
    switch (packed_currency) {
    case CURRENCY('B', 'I', 'F'):
    case CURRENCY('C', 'L', 'P'):
    case CURRENCY('D', 'J', 'F'):
    case CURRENCY('G', 'N', 'F'):
    case CURRENCY('I', 'S', 'K'):
    case CURRENCY('J', 'P', 'Y'):
    case CURRENCY('K', 'M', 'F'):
    case CURRENCY('K', 'R', 'W'):
    case CURRENCY('P', 'Y', 'G'):
    case CURRENCY('R', 'W', 'F'):
    case CURRENCY('U', 'G', 'X'):
    case CURRENCY('U', 'Y', 'I'):
    case CURRENCY('V', 'N', 'D'):
    case CURRENCY('V', 'U', 'V'):
    case CURRENCY('X', 'A', 'F'):
    case CURRENCY('X', 'O', 'F'):
    case CURRENCY('X', 'P', 'F'):
        return 0;
    case CURRENCY('B', 'H', 'D'):
    case CURRENCY('I', 'Q', 'D'):
    case CURRENCY('J', 'O', 'D'):
    case CURRENCY('K', 'W', 'D'):
    case CURRENCY('L', 'Y', 'D'):
    case CURRENCY('O', 'M', 'R'):
    case CURRENCY('T', 'N', 'D'):
        return 3;
    case CURRENCY('C', 'L', 'F'):
    case CURRENCY('U', 'Y', 'W'):
        return 4;
    default:
        return 2;
    }
}
