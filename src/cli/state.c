/* weir state: looks into the state directory, also while weir runs on it.
 *
 * The layout is DIR/<topic>/<partition>/, an LMDB environment each. It is opened read-only and without weir's lock;
 * LMDB's own readers see the last committed checkpoint, so what is printed may be a sweep interval old. */
#include "cli/cli.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/units.h"
#include "weir/codec/json.h"
#include "weir/state/state.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

/* ---- the stores of a directory ---- */

typedef struct state_values {
    const char *state_dir, *topic;
    int64_t partition;
} state_values;

typedef struct place {
    char topic[256], path[PATH_MAX];
    int64_t partition;
} place;

/* Called for each store; anything but WEIR_EXIT_OK is remembered, and the walk goes on. */
typedef int (*visitor)(void *context, const place *at, weir_store *store);

typedef struct walk {
    const state_values *values;
    visitor visit;
    void *context;
    size_t store_count;
    int code;
} walk;

static int is_named(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* A partition's directory is a number. */
static bool parse_partition(const char *name, int64_t *partition_out)
{
    char *end;
    long number = strtol(name, &end, 10);
    if (end == name || *end || number < 0 || number > INT32_MAX)
        return false;
    *partition_out = number;
    return true;
}

static void visit_store(walk *walking, const place *at)
{
    weir_error error;
    weir_store *store;
    int code;
    if (weir_store_open_lmdb(at->path, true, &store, &error)) {
        code = weir_cli_fail(&error);
    } else {
        code = walking->visit(walking->context, at, store);
        store->ops->close(store);
    }
    walking->store_count++;
    if (code)
        walking->code = code;
}

static int by_partition(const struct dirent **a, const struct dirent **b)
{
    return strverscmp((*a)->d_name, (*b)->d_name);
}

static void visit_topic(walk *walking, const char *topic)
{
    char directory[PATH_MAX - NAME_MAX - 2]; /* so that a name in it still fits a path */
    struct dirent **entries;
    int length = snprintf(directory, sizeof directory, "%s/%s", walking->values->state_dir, topic);
    int count = length < (int)sizeof directory ? scandir(directory, &entries, is_named, by_partition) : -1;
    for (int i = 0; i < count; i++) {
        place at = {0};
        bool wanted = parse_partition(entries[i]->d_name, &at.partition) &&
                      (walking->values->partition < 0 || walking->values->partition == at.partition);
        snprintf(at.topic, sizeof at.topic, "%s", topic);
        snprintf(at.path, sizeof at.path, "%s/%s", directory, entries[i]->d_name);
        if (wanted)
            visit_store(walking, &at);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

/* Every store the flags ask for, by topic and partition. */
static int walk_stores(const state_values *values, visitor visit, void *context)
{
    walk walking = {.values = values, .visit = visit, .context = context, .code = WEIR_EXIT_OK};
    struct dirent **topics;
    weir_error error;
    int count = scandir(values->state_dir, &topics, is_named, alphasort);
    if (count < 0) {
        weir_error_set(&error, WEIR_NOT_FOUND, "no state directory %s; give the one weir runs with (--state-dir)",
                       values->state_dir);
        return weir_cli_fail(&error);
    }
    for (int i = 0; i < count; i++) {
        if (!values->topic || strcmp(values->topic, topics[i]->d_name) == 0)
            visit_topic(&walking, topics[i]->d_name);
        free(topics[i]);
    }
    free(topics);
    if (walking.store_count == 0) {
        weir_error_set(&error, WEIR_NOT_FOUND, "no partition's state under %s (looked for <topic>/<partition>/)",
                       values->state_dir);
        return weir_cli_fail(&error);
    }
    return walking.code;
}

static const weir_cli_option OPTIONS[] = {
    {"state-dir", WEIR_CLI_TEXT, offsetof(state_values, state_dir), "DIR", "the state directory weir runs with"},
    {"topic", WEIR_CLI_TEXT, offsetof(state_values, topic), "TOPIC", "only this topic's state"},
    {"partition", WEIR_CLI_INT, offsetof(state_values, partition), "N", "only this partition"},
    {0}};

/* ---- printing ---- */

static void print_text(const char *text, size_t size)
{
    uint8_t buffer[6 * WEIR_STORE_KEY_MAX + 2]; /* every byte escaped */
    weir_writer writer = weir_writer_of(buffer, sizeof buffer);
    weir_json_write_text(&writer, weir_span_of(text, size));
    weir_check(!writer.failed);
    fwrite(buffer, 1, writer.used, stdout);
}

static void print_time(const char *name, int64_t time_us)
{
    char text[WEIR_ISO_TIME_SIZE];
    weir_iso_time_format(time_us, text);
    printf("\"%s\":\"%s\"", name, text);
}

/* Minor units as the decimal number they are, without a detour through doubles. */
static void print_amount(const weir_event *event)
{
    int exponent = weir_currency_exponent(event->currency);
    int64_t scale = 1, minor = event->amount_minor;
    for (int i = 0; i < exponent; i++)
        scale *= 10;
    uint64_t magnitude = minor < 0 ? (uint64_t)-minor : (uint64_t)minor;
    printf(",\"amount\":%s%" PRIu64, minor < 0 ? "-" : "", magnitude / (uint64_t)scale);
    if (exponent)
        printf(".%0*" PRIu64, exponent, magnitude % (uint64_t)scale);
}

static void print_code(const char *name, uint16_t packed)
{
    char text[4];
    weir_code_unpack(packed, text);
    if (*text)
        printf(",\"%s\":\"%s\"", name, text);
}

static void print_hash(const char *name, uint64_t hash)
{
    if (hash)
        printf(",\"%s\":\"%012" PRIx64 "\"", name, hash);
}

static void print_choice(const char *name, unsigned value, const char *const *names, unsigned count)
{
    if (value > 0 && value < count)
        printf(",\"%s\":\"%s\"", name, names[value]);
}

static void print_event(const weir_event *event)
{
    static const char *const CHANNELS[WEIR_CHANNEL_COUNT] = {"", "POS", "ATM", "ECOMMERCE", "MOTO", "RECURRING"};
    static const char *const ENTRIES[WEIR_ENTRY_COUNT] = {"",       "CHIP", "CONTACTLESS", "MAGSTRIPE",
                                                          "MANUAL", "CREDENTIAL_ON_FILE"};
    static const char *const OUTCOMES[WEIR_OUTCOME_COUNT] = {"", "APPROVED", "DECLINED"};
    printf("{");
    print_time("event_time", event->time_us);
    print_amount(event);
    print_code("currency", event->currency);
    if (event->mcc)
        printf(",\"mcc\":%u", (unsigned)event->mcc);
    print_code("country", event->country);
    print_choice("channel", event->channel, CHANNELS, WEIR_CHANNEL_COUNT);
    print_choice("entry_mode", event->entry, ENTRIES, WEIR_ENTRY_COUNT);
    print_choice("outcome", event->outcome, OUTCOMES, WEIR_OUTCOME_COUNT);
    if (weir_event_has_location(event))
        printf(",\"latitude\":%.5f,\"longitude\":%.5f", weir_latitude_unpack(event->latitude),
               weir_longitude_unpack(event->longitude));
    print_hash("transaction_hash", event->transaction);
    print_hash("merchant_hash", event->merchant);
    print_hash("terminal_hash", event->terminal);
    print_hash("device_hash", weir_event_device(event));
    if (event->label_delay_us != WEIR_LABEL_NONE) {
        printf(",");
        print_time("fraud_known_from", event->time_us + (int64_t)event->label_delay_us);
    }
    printf("}");
}

static void print_card(weir_span token, const place *at, const weir_history *history, int64_t applied_offset)
{
    printf("{\"card_token\":");
    print_text((const char *)token.data, token.size);
    printf(",\"topic\":");
    print_text(at->topic, strlen(at->topic));
    printf(",\"partition\":%" PRId64 ",\"applied_offset\":%" PRId64 ",\"event_count\":%" PRIu32 ",", at->partition,
           applied_offset, history->event_count);
    print_time("newest_event_time", history->newest_time_us);
    printf(",\"events\":[");
    weir_history_cursor cursor = weir_history_begin(history);
    const char *separator = "\n  ";
    for (const weir_event *event; (event = weir_history_next(&cursor)); separator = ",\n  ") {
        fputs(separator, stdout);
        print_event(event);
    }
    printf("%s]}\n", history->event_count ? "\n" : "");
}

/* ---- weir state get ---- */

enum { GET_MEMORY_MAX = 1 << 30 }; /* a card of a million events takes 72 MB */

typedef struct get_context {
    weir_span token;
    weir_slab *slab;
    bool all_partitions, found;
} get_context;

static int get_from(void *context, const place *at, weir_store *store)
{
    get_context *get = context;
    weir_error error;
    weir_state_identity identity;
    int64_t replay_from, applied_offset;
    if (weir_state_read_identity(store, &identity, &replay_from, &error))
        return weir_cli_fail(&error);
    if (get->all_partitions && identity.partition_count > 0 &&
        weir_hash_partition(get->token, identity.partition_count) != identity.partition)
        return WEIR_EXIT_OK;
    weir_history history;
    weir_status status = weir_state_read(store, get->token, get->slab, &history, &applied_offset, &error);
    if (status == WEIR_NOT_FOUND)
        return WEIR_EXIT_OK;
    if (status)
        return weir_cli_fail(&error);
    get->found = true;
    print_card(get->token, at, &history, applied_offset);
    weir_history_clear(&history, get->slab);
    return WEIR_EXIT_OK;
}

static int state_get(int argc, char **argv)
{
    static const weir_cli_usage USAGE = {
        .command = "state get", .synopsis = "TOKEN --state-dir DIR [--partition N]",
        .summary = "Prints what is stored of a card as JSON: its history as of the last checkpoint.\n"
                   "Without --partition it looks where the default partitioner puts the token; give --partition if\n"
                   "producers partition otherwise.",
        .options = OPTIONS, .operand_max = 1,
        .examples = "  weir state get tok_4f2a --state-dir /var/lib/weir\n"
                    "  weir state get tok_4f2a --state-dir /var/lib/weir --partition 3\n"};
    state_values values = {.partition = -1};
    weir_cli_operands operands;
    int code = weir_cli_parse(&USAGE, argc, argv, &values, &operands);
    if (code != WEIR_CLI_GO_ON)
        return code;
    if (operands.count != 1)
        return weir_cli_misused(&USAGE, "which card? Give its token.");
    if (!values.state_dir)
        return weir_cli_misused(&USAGE, "--state-dir is missing.");
    weir_error error;
    weir_memory *memory;
    if (weir_memory_open(GET_MEMORY_MAX, &memory, &error))
        return weir_cli_fail(&error);
    get_context get = {.token = weir_span_text(operands.items[0]),
                       .slab = weir_memory_slab(memory),
                       .all_partitions = values.partition < 0};
    code = walk_stores(&values, get_from, &get);
    weir_memory_close(memory);
    if (!get.found && code == WEIR_EXIT_OK) {
        weir_error_set(&error, WEIR_NOT_FOUND, "no card \"%.100s\" in the last checkpoint under %.200s",
                       operands.items[0], values.state_dir);
        code = weir_cli_fail(&error);
    }
    return weir_cli_finish(code);
}

/* ---- weir state stats ---- */

static int print_stats(void *context, const place *at, weir_store *store)
{
    (void)context;
    weir_error error;
    weir_state_identity identity;
    weir_state_census census;
    int64_t replay_from;
    if (weir_state_read_identity(store, &identity, &replay_from, &error) ||
        weir_state_take_census(store, &census, &error)) {
        weir_error_wrap(&error, "%.100s", at->path);
        return weir_cli_fail(&error);
    }
    char horizon[32];
    weir_units_format_duration(identity.horizon_us, horizon, sizeof horizon);
    printf("{\"topic\":");
    print_text(identity.topic, strlen(identity.topic));
    printf(",\"partition\":%" PRId32 ",\"partition_count\":%" PRId32 ",\"cluster_id\":", identity.partition,
           identity.partition_count);
    print_text(identity.cluster_id, strlen(identity.cluster_id));
    printf(",\"entity\":");
    print_text(identity.entity, strlen(identity.entity));
    printf(",\"horizon\":\"%s\",\"replay_from\":%" PRId64 ",\"cards\":%" PRIu64 ",\"chunk_records\":%" PRIu64
           ",\"record_bytes\":%" PRIu64 ",\"store_bytes\":%" PRIu64 "}\n",
           horizon, replay_from, census.card_count, census.chunk_count, census.record_bytes, store->ops->size(store));
    return WEIR_EXIT_OK;
}

static int state_stats(int argc, char **argv)
{
    static const weir_cli_usage USAGE = {
        .command = "state stats", .synopsis = "--state-dir DIR [--topic TOPIC] [--partition N]",
        .summary = "Prints one JSON line a partition: whose state it is, where a replay would begin, cards and bytes.\n"
                   "It reads every key, so it takes a second per few million cards.",
        .options = OPTIONS,
        .examples = "  weir state stats --state-dir /var/lib/weir\n"
                    "  weir state stats --state-dir /var/lib/weir --topic transactions --partition 0\n"};
    state_values values = {.partition = -1};
    int code = weir_cli_parse(&USAGE, argc, argv, &values, NULL);
    if (code != WEIR_CLI_GO_ON)
        return code;
    if (!values.state_dir)
        return weir_cli_misused(&USAGE, "--state-dir is missing.");
    return weir_cli_finish(walk_stores(&values, print_stats, NULL));
}

int weir_cli_state(int argc, char **argv)
{
    static const weir_cli_command COMMANDS[] = {
        {"get", "prints a card's stored history", state_get},
        {"stats", "prints what each partition's state holds", state_stats},
        {0}};
    return weir_cli_dispatch("state", COMMANDS, argc, argv);
}
