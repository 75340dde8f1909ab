/* weir state: looks into the state directory, also while weir runs on it.
 *
 * The layout is DIR/<topic>/<partition>/, an LMDB environment each: of the transactions topic for cards, of a stage's
 * internal topic (<group.id>.stage.<entity>) for what else has histories. Each says itself whose state it is. It is
 * opened read-only and without weir's lock; LMDB's own readers see the last committed checkpoint, so what is printed
 * may be a sweep interval old. */
#include "cli/cli.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/nearest.h"
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
    print_hash("card_hash", event->card);
    print_hash("merchant_hash", event->merchant);
    print_hash("terminal_hash", event->terminal);
    print_hash("device_hash", weir_event_device(event));
    bool fraud = event->label_delay_us != WEIR_LABEL_NONE;
    printf(",\"alerted\":%s,\"fraud\":%s", event->flags & WEIR_EVENT_ALERTED ? "true" : "false",
           fraud ? "true" : "false");
    if (fraud) {
        printf(",");
        print_time("fraud_known_from", event->time_us + (int64_t)event->label_delay_us);
    }
    printf("}");
}

/* ---- weir state get ---- */

/* What has histories, and what its identifiers are called. The card comes first: it is meant when nothing is said. */
typedef struct entity_kind {
    const char *name, *json_name;
} entity_kind;

static const entity_kind ENTITIES[] = {
    {"card", "card_token"}, {"terminal", "terminal_id"}, {"merchant", "merchant_id"}, {"device", "device_id"}};

enum { ENTITY_COUNT = sizeof ENTITIES / sizeof *ENTITIES };

static const entity_kind *find_entity(const char *name)
{
    for (size_t i = 0; i < ENTITY_COUNT; i++)
        if (strcmp(ENTITIES[i].name, name) == 0)
            return &ENTITIES[i];
    return NULL;
}

enum { GET_MEMORY_MAX = 1 << 30 }; /* a history of a million events takes 72 MB */

typedef struct get_context {
    const entity_kind *kind;
    weir_span identifier;
    weir_span key; /* it is stored under: the token of a card, the hashed identifier of anything else */
    uint8_t key_bytes[WEIR_ENTITY_KEY_SIZE];
    weir_slab *slab;
    bool all_partitions, found;
    bool has_state[ENTITY_COUNT];
} get_context;

static void make_key(get_context *get)
{
    if (get->kind == ENTITIES) {
        get->key = get->identifier;
        return;
    }
    (void)weir_entity_key(weir_hash48(get->identifier), get->key_bytes);
    get->key = weir_span_of(get->key_bytes, sizeof get->key_bytes);
}

/* Where the default partitioner, or the stage before, puts the entity. */
static int32_t partition_of(const get_context *get, int32_t partition_count)
{
    return get->kind == ENTITIES ? weir_hash_partition(get->identifier, partition_count)
                                 : weir_stage_partition(weir_hash48(get->identifier), partition_count);
}

static void print_history(const get_context *get, const place *at, const weir_history *history, int64_t applied_offset)
{
    printf("{\"entity\":\"%s\",\"%s\":", get->kind->name, get->kind->json_name);
    print_text((const char *)get->identifier.data, get->identifier.size);
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

static int get_from(void *context, const place *at, weir_store *store)
{
    get_context *get = context;
    weir_error error;
    weir_state_identity identity;
    int64_t replay_from, applied_offset;
    if (weir_state_read_identity(store, &identity, &replay_from, &error))
        return weir_cli_fail(&error);
    const entity_kind *stored = find_entity(identity.entity);
    if (stored)
        get->has_state[stored - ENTITIES] = true;
    if (stored != get->kind)
        return WEIR_EXIT_OK;
    if (get->all_partitions && identity.partition_count > 0 &&
        partition_of(get, identity.partition_count) != identity.partition)
        return WEIR_EXIT_OK;
    weir_history history;
    weir_status status = weir_state_read(store, get->key, get->slab, &history, &applied_offset, &error);
    if (status == WEIR_NOT_FOUND)
        return WEIR_EXIT_OK;
    if (status)
        return weir_cli_fail(&error);
    get->found = true;
    print_history(get, at, &history, applied_offset);
    weir_history_clear(&history, get->slab);
    return WEIR_EXIT_OK;
}

/* "cards, terminals": what has state. */
static const char *list_entities(const get_context *get, char list[64])
{
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < ENTITY_COUNT; i++)
        if (get->has_state[i])
            used += (size_t)snprintf(list + used, 64 - used, "%s%ss", used ? ", " : "", ENTITIES[i].name);
    return list;
}

static int not_found(const get_context *get, const state_values *values)
{
    weir_error error;
    char list[64];
    if (!get->has_state[get->kind - ENTITIES])
        weir_error_set(&error, WEIR_NOT_FOUND,
                       "no state of %ss under %.200s, only of %s; is %s among the stages weir runs with?",
                       get->kind->name, values->state_dir, list_entities(get, list), get->kind->name);
    else
        weir_error_set(&error, WEIR_NOT_FOUND, "no %s \"%.*s\" in the last checkpoint under %.200s", get->kind->name,
                       (int)(get->identifier.size < 100 ? get->identifier.size : 100),
                       (const char *)get->identifier.data, values->state_dir);
    return weir_cli_fail(&error);
}

static int get_history(get_context *get, const state_values *values)
{
    weir_error error;
    weir_memory *memory;
    if (weir_memory_open(GET_MEMORY_MAX, &memory, &error))
        return weir_cli_fail(&error);
    get->slab = weir_memory_slab(memory);
    make_key(get);
    int code = walk_stores(values, get_from, get);
    weir_memory_close(memory);
    return !get->found && code == WEIR_EXIT_OK ? not_found(get, values) : code;
}

static int refuse_entity(const weir_cli_usage *usage, const char *name)
{
    weir_nearest nearest = weir_nearest_of(name);
    for (size_t i = 0; i < ENTITY_COUNT; i++)
        weir_nearest_offer(&nearest, ENTITIES[i].name);
    const char *found = weir_nearest_found(&nearest);
    if (found)
        return weir_cli_misused(usage, "there is no entity \"%s\"; did you mean \"%s\"?", name, found);
    return weir_cli_misused(usage, "there is no entity \"%s\": card, terminal, merchant or device.", name);
}

static int state_get(int argc, char **argv)
{
    static const weir_cli_usage USAGE = {
        .command = "state get", .synopsis = "[ENTITY] KEY --state-dir DIR [--topic TOPIC] [--partition N]",
        .summary = "Prints what is stored of a card, terminal, merchant or device (default: card) as JSON: its\n"
                   "history as of the last checkpoint, and of each event whether it was alerted and whether it is\n"
                   "known as fraud. Without --partition it looks where the default partitioner puts a card's token;\n"
                   "give --partition if producers partition otherwise. What else has state, `stages` says.",
        .options = OPTIONS, .operand_max = 2,
        .examples = "  weir state get tok_4f2a --state-dir /var/lib/weir\n"
                    "  weir state get tok_4f2a --state-dir /var/lib/weir --partition 3\n"
                    "  weir state get terminal T-17 --state-dir /var/lib/weir\n"};
    state_values values = {.partition = -1};
    weir_cli_operands operands;
    int code = weir_cli_parse(&USAGE, argc, argv, &values, &operands);
    if (code != WEIR_CLI_GO_ON)
        return code;
    const entity_kind *kind = operands.count == 2 ? find_entity(operands.items[0]) : ENTITIES;
    if (!kind)
        return refuse_entity(&USAGE, operands.items[0]);
    if (operands.count == 0)
        return weir_cli_misused(&USAGE, "which card? Give its token, or an entity and its identifier.");
    if (operands.count == 1 && find_entity(operands.items[0]))
        return weir_cli_misused(&USAGE, "which %s? Give its identifier, too.", operands.items[0]);
    if (!values.state_dir)
        return weir_cli_misused(&USAGE, "--state-dir is missing.");
    get_context get = {.kind = kind,
                       .identifier = weir_span_text(operands.items[operands.count - 1]),
                       .all_partitions = values.partition < 0};
    return weir_cli_finish(get_history(&get, &values));
}

/* ---- weir state stats ---- */

typedef struct totals { /* of one entity's stores */
    char entity[16];
    uint64_t store_count, store_bytes;
    weir_state_census census;
} totals;

enum { TOTALS_MAX = 16 }; /* entities in one directory; those beyond have no line of totals */

typedef struct stats_context {
    totals entities[TOTALS_MAX];
    size_t entity_count;
} stats_context;

static void add_totals(stats_context *stats, const char *entity, const weir_state_census *census, uint64_t store_bytes)
{
    size_t at = 0;
    while (at < stats->entity_count && strcmp(stats->entities[at].entity, entity) != 0)
        at++;
    if (at == TOTALS_MAX)
        return;
    totals *sum = &stats->entities[at];
    if (at == stats->entity_count) {
        snprintf(sum->entity, sizeof sum->entity, "%s", entity);
        stats->entity_count++;
    }
    sum->store_count++;
    sum->store_bytes += store_bytes;
    sum->census.card_count += census->card_count;
    sum->census.event_count += census->event_count;
    sum->census.chunk_count += census->chunk_count;
    sum->census.record_bytes += census->record_bytes;
}

/* The figures every line ends with. */
static void print_figures(const weir_state_census *census, uint64_t store_bytes)
{
    printf(",\"histories\":%" PRIu64 ",\"events\":%" PRIu64 ",\"chunk_records\":%" PRIu64 ",\"record_bytes\":%" PRIu64
           ",\"store_bytes\":%" PRIu64,
           census->card_count, census->event_count, census->chunk_count, census->record_bytes, store_bytes);
    if (census->event_count)
        printf(",\"record_bytes_per_event\":%.1f,\"store_bytes_per_event\":%.1f",
               (double)census->record_bytes / (double)census->event_count,
               (double)store_bytes / (double)census->event_count);
    printf("}\n");
}

static int print_stats(void *context, const place *at, weir_store *store)
{
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
    printf(",\"horizon\":\"%s\",\"replay_from\":%" PRId64, horizon, replay_from);
    uint64_t store_bytes = store->ops->size(store);
    print_figures(&census, store_bytes);
    add_totals(context, identity.entity, &census, store_bytes);
    return WEIR_EXIT_OK;
}

static void print_totals(const stats_context *stats)
{
    for (size_t i = 0; i < stats->entity_count; i++) {
        const totals *sum = &stats->entities[i];
        printf("{\"total\":");
        print_text(sum->entity, strlen(sum->entity));
        printf(",\"partitions\":%" PRIu64, sum->store_count);
        print_figures(&sum->census, sum->store_bytes);
    }
}

static int state_stats(int argc, char **argv)
{
    static const weir_cli_usage USAGE = {
        .command = "state stats", .synopsis = "--state-dir DIR [--topic TOPIC] [--partition N]",
        .summary = "Prints one JSON line a partition of every stage: whose state it is, where a replay would begin,\n"
                   "histories, events and bytes; then one line of totals an entity.\n"
                   "It reads every record, so it takes a second per few million cards.",
        .options = OPTIONS,
        .examples = "  weir state stats --state-dir /var/lib/weir\n"
                    "  weir state stats --state-dir /var/lib/weir --topic transactions --partition 0\n"};
    state_values values = {.partition = -1};
    int code = weir_cli_parse(&USAGE, argc, argv, &values, NULL);
    if (code != WEIR_CLI_GO_ON)
        return code;
    if (!values.state_dir)
        return weir_cli_misused(&USAGE, "--state-dir is missing.");
    stats_context stats = {0};
    code = walk_stores(&values, print_stats, &stats);
    print_totals(&stats);
    return weir_cli_finish(code);
}

int weir_cli_state(int argc, char **argv)
{
    static const weir_cli_command COMMANDS[] = {
        {"get", "prints a card's stored history, or a terminal's, merchant's, device's", state_get},
        {"stats", "prints what each partition's state holds", state_stats},
        {0}};
    return weir_cli_dispatch("state", COMMANDS, argc, argv);
}
