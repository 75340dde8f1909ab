#include "weir/core/event.h"

#include "core/calendar.h"
#include "core/field.h"
#include "core/geo.h"
#include "weir/base/units.h"

#include <criterion/criterion.h>
#include <math.h>

static uint16_t pack(const char *text)
{
    return weir_code_pack((const uint8_t *)text, strlen(text));
}

Test(event, codes_survive_packing)
{
    static const char *const CODES[] = {"US", "GB", "AA", "ZZ", "EUR", "USD", "AAA", "ZZZ"};
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++) {
        char text[4];
        weir_code_unpack(pack(CODES[i]), text);
        cr_assert_str_eq(text, CODES[i]);
    }
}

Test(event, what_is_not_two_or_three_capitals_packs_to_absent)
{
    static const char *const NOT_CODES[] = {"", "U", "us", "U1", "EURO", "E R", "Us"};
    for (size_t i = 0; i < sizeof NOT_CODES / sizeof *NOT_CODES; i++)
        cr_assert_eq(pack(NOT_CODES[i]), 0, "%s", NOT_CODES[i]);
    char text[4] = "xyz";
    weir_code_unpack(0, text);
    cr_assert_str_eq(text, "");
}

Test(event, currencies_have_the_digits_of_iso_4217)
{
    static const struct {
        const char *code;
        int exponent;
    } ROWS[] = {{"EUR", 2}, {"USD", 2}, {"JPY", 0}, {"KRW", 0}, {"KWD", 3}, {"TND", 3}, {"CLF", 4}, {"XXX", 2}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        cr_assert_eq(weir_currency_exponent(pack(ROWS[i].code)), ROWS[i].exponent, "%s", ROWS[i].code);
    cr_assert_eq(weir_currency_exponent(0), 2);
}

Test(event, amounts_are_in_major_units_of_their_currency)
{
    weir_event event = {.amount_minor = -12345, .currency = pack("EUR")};
    cr_assert_eq(weir_field_amount(&event), -123.45);
    event.currency = pack("JPY");
    cr_assert_eq(weir_field_amount(&event), -12345.0);
    event.currency = pack("KWD");
    cr_assert_eq(weir_field_amount(&event), -12.345);
}

Test(event, places_are_kept_to_a_few_metres)
{
    for (double degrees = -90; degrees <= 90; degrees += 0.37) {
        cr_assert_float_eq(weir_latitude_unpack(weir_latitude_pack(degrees)), degrees, 1.2e-5);
        cr_assert_float_eq(weir_longitude_unpack(weir_longitude_pack(degrees * 2)), degrees * 2, 2.3e-5);
    }
    cr_assert_float_eq(weir_latitude_unpack(weir_latitude_pack(90)), 90, 2.3e-5);
    cr_assert_float_eq(weir_longitude_unpack(weir_longitude_pack(180)), 180, 2.3e-5);
    cr_assert_eq(weir_longitude_unpack(weir_longitude_pack(-180)), -180);
}

Test(event, the_south_pole_is_not_mistaken_for_no_location)
{
    weir_event event = {.latitude = weir_latitude_pack(-90)};
    cr_assert(weir_event_has_location(&event));
    event.latitude = WEIR_LATITUDE_NONE;
    cr_assert(!weir_event_has_location(&event));
}

Test(event, the_device_comes_back_from_its_three_pieces)
{
    weir_event event = {0};
    weir_event_set_device(&event, UINT64_C(0xabcdef123456));
    cr_assert_eq(weir_event_device(&event), UINT64_C(0xabcdef123456));
}

Test(event, a_label_is_known_from_its_own_time_on)
{
    weir_event event = {.time_us = 1000, .label_delay_us = 500};
    cr_assert(!weir_event_is_fraud_at(&event, 1499));
    cr_assert(weir_event_is_fraud_at(&event, 1500));
    event.label_delay_us = WEIR_LABEL_NONE;
    cr_assert(!weir_event_is_fraud_at(&event, INT64_MAX));
}

Test(event, absent_fields_are_missing)
{
    weir_event event = {.latitude = WEIR_LATITUDE_NONE, .label_delay_us = WEIR_LABEL_NONE};
    static const char *const MISSING[] = {"mcc", "approved", "declined"};
    for (size_t i = 0; i < sizeof MISSING / sizeof *MISSING; i++)
        cr_assert(isnan(weir_field_find(weir_span_text(MISSING[i]))->number(&event, 0)), "%s", MISSING[i]);
    for (size_t i = 0; i < weir_field_count(); i++)
        if (weir_field_at(i)->key)
            cr_assert_eq(weir_field_at(i)->key(&event), 0, "%s", weir_field_at(i)->name);
}

Test(event, codes_print_as_they_are_parsed)
{
    static const char *const CODES[][2] = {{"mcc", "0742"},       {"country", "FR"},     {"currency", "EUR"},
                                           {"channel", "moto"},   {"entry", "chip"},     {"outcome", "declined"},
                                           {"entry", "credential_on_file"}, {"channel", "ecommerce"}};
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++) {
        const weir_field *field = weir_field_find(weir_span_text(CODES[i][0]));
        char text[WEIR_FIELD_CODE_TEXT_SIZE];
        uint64_t key = field->parse_code(weir_span_text(CODES[i][1]));
        cr_assert_neq(key, 0);
        field->format_code(key, text);
        cr_assert_str_eq(text, CODES[i][1]);
        cr_assert_eq(field->parse_code(weir_span_text("nonsense")), 0);
    }
}

Test(calendar, knows_hours_and_weekdays_on_both_sides_of_1970)
{
    static const struct {
        int64_t second;
        int hour, weekday;
    } ROWS[] = {{0, 0, 3},           {-1, 23, 2},        {1709251199, 23, 3}, /* 2024-02-29, a Thursday */
                {1709251200, 0, 4},  {1735689600, 0, 2}, {-259200, 0, 0},     {946684799, 23, 4}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        cr_assert_eq(weir_calendar_hour(ROWS[i].second * WEIR_US_PER_SECOND), ROWS[i].hour, "row %zu", i);
        cr_assert_eq(weir_calendar_weekday(ROWS[i].second * WEIR_US_PER_SECOND), ROWS[i].weekday, "row %zu", i);
    }
}

Test(geo, distances_are_those_of_an_atlas)
{
    cr_assert_float_eq(weir_geo_distance_km(51.5074, -0.1278, 48.8566, 2.3522), 343.6, 0.5);    /* London, Paris */
    cr_assert_float_eq(weir_geo_distance_km(40.7128, -74.006, 34.0522, -118.2437), 3935.8, 2);  /* New York, LA */
    cr_assert_float_eq(weir_geo_distance_km(0, 179.5, 0, -179.5), 111.2, 0.1);                  /* over the date line */
    cr_assert_float_eq(weir_geo_distance_km(90, 0, -90, 77), 20015.1, 0.1);
    cr_assert_eq(weir_geo_distance_km(12.5, 45.25, 12.5, 45.25), 0);
}
