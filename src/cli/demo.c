/* weir demo: an embedded broker, a stream of synthetic cards with fraud among them, what becomes known of it days
 * later, and the service, in one process.
 *
 *   generator --> transactions --> [card] --> [terminal] --> [merchant] --> alerts --> tally, summary
 *            `--> labels ----------^          hops of the same service
 *
 * Event time runs as fast as the rate makes it: by default two and a half months in a minute, so that labels come
 * seconds after their transactions. Each label is sent just before the first transaction that is later than it.
 */
#include "cli/cli.h"
#include "cli/demo_tally.h"

#include "weir/app/launch.h"
#include "weir/base/units.h"
#include "weir/broker/client.h"
#include "weir/broker/embedded.h"
#include "weir/log/log.h"

#include "weir/v1/alert.pb-c.h"

#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    PARTITIONS = 4, /* the embedded broker keeps 5 MB of each; a hop's record of an event is about 0.5 KB */
    MESSAGE_SIZE_MAX = 1024,
    GARBAGE_EVERY = 5000, /* one record in so many is no transaction at all, for the dead letters */
    SHOWN_PER_SECOND_MAX = 4,
    SETTLE_US = 20 * 1000 * 1000,
    JOIN_US = 15 * 1000 * 1000
};

/* The embedded broker answers a fetch that finds nothing only when its time is up, where a real one answers at the
 * next record; so the wait is kept short here. */
#define FETCH_WAIT_MS "2"

typedef struct demo_values {
    const char *model;
    int64_t duration_us, cards, seed;
    double rate;
    bool quiet;
} demo_values;

static const weir_cli_option OPTIONS[] = {
    {"duration", WEIR_CLI_DURATION, offsetof(demo_values, duration_us), "TIME", "how long to send (default: 60s)"},
    {"rate", WEIR_CLI_REAL, offsetof(demo_values, rate), "N", "transactions a second (default: 4000)"},
    {"cards", WEIR_CLI_INT, offsetof(demo_values, cards), "N", "cards in the stream (default: 1500)"},
    {"seed", WEIR_CLI_INT, offsetof(demo_values, seed), "N", "another seed, another stream (default: 7)"},
    {"model", WEIR_CLI_TEXT, offsetof(demo_values, model), "FILE", "the model (default: the one weir comes with)"},
    {"quiet", WEIR_CLI_FLAG, offsetof(demo_values, quiet), NULL, "print the summary alone"},
    {0}};

static const weir_cli_usage USAGE = {
    .command = "demo",
    .synopsis = "[flags]",
    .summary =
        "Starts a broker inside this process, sends it synthetic card transactions with fraud among them, and days\n"
        "later (of their time) what was learned of them; scores them as `weir run` does, with histories of cards,\n"
        "terminals and merchants; and shows what was caught, by whose history, and how fast. The exit code is 0 only\n"
        "if the stream balanced: every record scored or dead-lettered, every label heard, every alert read once.",
    .options = OPTIONS,
    .examples = "  weir demo\n"
                "  weir demo --duration 15s --rate 10000\n"
                "  weir demo --duration 10s --seed 42 --quiet\n"
                "  weir demo --model models/card-fraud.json --stages card\n",
    .with_conf = true,
};

typedef struct demo {
    const demo_values *values;
    weir_embedded *embedded;
    weir_conf conf;
    char state_dir[64];
    demo_tally tally;
    pthread_t service_thread, alerts_thread;
    _Atomic bool stop_service, stop_alerts, interrupted;
    weir_metrics *_Atomic metrics; /* while the service runs */
    weir_status service_status;
    weir_error service_error;
    weir_tail *alerts;
    weir_sender *transactions, *labels;
    uint64_t sent, garbage, labels_sent[WEIR_LABEL_VERDICT_COUNT];
    int64_t first_event_us, last_event_us;
    double seconds, label_delay_days; /* the latter summed over labels */
    /* copied from the metrics when the service ends */
    uint64_t scored, duplicates, dead_letters, alerts_sent, labels_heard, labels_late;
    double precision_heard, recall_heard; /* by the labels; NaN while there are none */
    weir_histogram own_share_us;
} demo;

static demo the; /* the signal handler needs it */

static void interrupt(int number)
{
    (void)number;
    atomic_store(&the.interrupted, true);
}

/* ---- the model: beside the program's source tree, installed, or where we are ---- */

static const char *find_model(char *path_out, size_t capacity)
{
    static const char *const PLACES[] = {"models/place-fraud.json", WEIR_SOURCE_DIR "/models/place-fraud.json",
                                         "/usr/local/share/weir/models/place-fraud.json",
                                         "/usr/share/weir/models/place-fraud.json"};
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        snprintf(path_out, capacity, "%s", PLACES[i]);
        if (access(path_out, R_OK) == 0)
            return path_out;
    }
    return PLACES[0];
}

/* ---- the service, in a thread of its own ---- */

static void note_running(void *context, weir_metrics *metrics)
{
    demo *it = context;
    weir_metrics *last = atomic_exchange(&it->metrics, metrics);
    if (metrics || !last)
        return;
    it->scored = weir_metrics_total(last, WEIR_METRIC_EVENTS_SCORED);
    it->duplicates = weir_metrics_total(last, WEIR_METRIC_DUPLICATES);
    it->dead_letters = weir_metrics_total(last, WEIR_METRIC_DEAD_LETTERS);
    it->alerts_sent = weir_metrics_total(last, WEIR_METRIC_ALERTS);
    it->labels_heard = weir_metrics_total(last, WEIR_METRIC_LABELS);
    it->labels_late = weir_metrics_total(last, WEIR_METRIC_LATE_LABELS);
    it->precision_heard = weir_metrics_gauge(last, WEIR_METRIC_PRECISION);
    it->recall_heard = weir_metrics_gauge(last, WEIR_METRIC_RECALL);
    weir_metrics_histogram(last, WEIR_METRIC_PROCESSING_SECONDS, &it->own_share_us);
}

static void *serve(void *context)
{
    demo *it = context;
    weir_launch launch = {.conf = &it->conf, .stop = &it->stop_service, .running = note_running, .context = it};
    it->service_status = weir_launch_run(&launch, &it->service_error);
    if (it->service_status != WEIR_OK)
        atomic_store(&it->interrupted, true);
    return NULL;
}

/* ---- alerts, as anybody downstream would read them ---- */

static void show_alert(const Weir__V1__Alert *alert, weir_fraud_pattern pattern, int64_t latency_us)
{
    char when[WEIR_ISO_TIME_SIZE];
    weir_iso_time_format(alert->event_time_us, when);
    printf("%s  %-6s %.3f  %-16s card %-10s %9.2f %s ", when, alert->severity, alert->score,
           pattern == WEIR_FRAUD_NONE ? "(honest)" : weir_fraud_pattern_name(pattern), alert->card_token,
           (double)alert->amount_minor / 100, alert->currency);
    for (size_t i = 0; i < alert->n_reasons && i < 2; i++)
        printf(" %s%s +%.1f", i ? "| " : "<- ", alert->reasons[i]->feature, alert->reasons[i]->contribution);
    printf("  [%.1f ms]\n", (double)latency_us / 1e3);
}

static void *hear_alerts(void *context)
{
    demo *it = context;
    int64_t second = 0;
    int shown = 0;
    weir_record record;
    while (!atomic_load(&it->stop_alerts)) {
        if (!weir_tail_next(it->alerts, 20 * WEIR_US_PER_MS, &record, NULL))
            continue;
        int64_t now_us = weir_cli_steady_us();
        Weir__V1__Alert *alert = weir__v1__alert__unpack(NULL, record.payload.size, record.payload.data);
        if (!alert)
            continue;
        weir_fraud_pattern pattern;
        int64_t latency_us;
        bool first = demo_tally_alert(&it->tally, alert, &it->conf.stages, now_us, &pattern, &latency_us);
        if (now_us / WEIR_US_PER_SECOND != second) {
            second = now_us / WEIR_US_PER_SECOND;
            shown = 0;
        }
        if (first && !it->values->quiet && pattern != WEIR_FRAUD_NONE && shown++ < SHOWN_PER_SECOND_MAX)
            show_alert(alert, pattern, latency_us);
        weir__v1__alert__free_unpacked(alert, NULL);
    }
    return NULL;
}

/* ---- the stream ---- */

static void pause_ms(int64_t ms)
{
    struct timespec pause = {.tv_nsec = ms * 1000 * 1000};
    nanosleep(&pause, NULL);
}

static weir_status send_label(demo *it, const weir_label *label)
{
    uint8_t message[MESSAGE_SIZE_MAX];
    weir_writer writer = weir_writer_of(message, sizeof message);
    weir_label_encode(label, &writer);
    it->labels_sent[label->verdict]++;
    it->label_delay_days += (double)(label->label_time_us - label->event_time_us) / WEIR_US_PER_DAY;
    return weir_sender_send(it->labels, -1, label->card_token, weir_span_of(message, writer.used), -1);
}

/* What has become known up to the transaction about to be sent. */
static weir_status send_labels(demo *it, weir_generator *generator)
{
    weir_label label;
    weir_status status = WEIR_OK;
    while (it->labels && status == WEIR_OK && weir_generator_next_label(generator, &label))
        status = send_label(it, &label);
    return status;
}

static weir_status send_transaction(demo *it, const weir_transaction_fields *fields, weir_fraud_pattern pattern)
{
    uint8_t message[MESSAGE_SIZE_MAX];
    weir_writer writer = weir_writer_of(message, sizeof message);
    weir_transaction_encode(fields, &writer);
    demo_tally_sent(&it->tally, fields->transaction_id, pattern, weir_cli_steady_us());
    it->first_event_us = it->first_event_us ? it->first_event_us : fields->event_time_us;
    it->last_event_us = fields->event_time_us;
    it->sent++;
    return weir_sender_send(it->transactions, -1, fields->card_token, weir_span_of(message, writer.used), -1);
}

static weir_status send_garbage(demo *it)
{
    static const uint8_t GARBAGE[] = {0xff, 0xff, 0xff, 0xff};
    it->sent++;
    it->garbage++;
    return weir_sender_send(it->transactions, (int32_t)(it->garbage % PARTITIONS), weir_span_text("garbage"),
                            weir_span_of(GARBAGE, sizeof GARBAGE), -1);
}

static weir_status send_one(demo *it, weir_generator *generator)
{
    weir_transaction_fields fields;
    weir_generated_label truth;
    if (it->sent % GARBAGE_EVERY == GARBAGE_EVERY - 1)
        return send_garbage(it);
    if (!weir_generator_next(generator, &fields, &truth))
        return WEIR_NOT_FOUND;
    weir_status status = send_labels(it, generator);
    return status == WEIR_OK ? send_transaction(it, &fields, truth.pattern) : status;
}

static weir_status send_stream(demo *it, weir_generator *generator)
{
    int64_t begin_us = weir_cli_steady_us();
    weir_status status = WEIR_OK;
    while (status == WEIR_OK && !atomic_load(&it->interrupted)) {
        int64_t elapsed_us = weir_cli_steady_us() - begin_us;
        if (elapsed_us >= it->values->duration_us)
            break;
        uint64_t due = (uint64_t)((double)elapsed_us / 1e6 * it->values->rate) + 1;
        while (it->sent < due && status == WEIR_OK)
            status = send_one(it, generator);
        pause_ms(1);
    }
    it->seconds = (double)(weir_cli_steady_us() - begin_us) / 1e6;
    return status;
}

static uint64_t count_fates(weir_metrics *metrics)
{
    return weir_metrics_total(metrics, WEIR_METRIC_EVENTS_SCORED) +
           weir_metrics_total(metrics, WEIR_METRIC_DEAD_LETTERS) + weir_metrics_total(metrics, WEIR_METRIC_DUPLICATES);
}

static uint64_t labels_sent_in_all(const demo *it)
{
    return it->labels_sent[WEIR_LABEL_FRAUD] + it->labels_sent[WEIR_LABEL_CLEARED];
}

/* Waits until the service has taken everything and its alerts have been read, or the time is up. */
static void settle(demo *it)
{
    int64_t until_us = weir_cli_steady_us() + SETTLE_US;
    for (bool done = false; !done && weir_cli_steady_us() < until_us;) {
        weir_metrics *metrics = atomic_load(&it->metrics);
        if (!metrics)
            return;
        pthread_mutex_lock(&it->tally.lock);
        uint64_t heard = it->tally.alerts;
        pthread_mutex_unlock(&it->tally.lock);
        done = count_fates(metrics) >= it->sent && heard >= weir_metrics_total(metrics, WEIR_METRIC_ALERTS) &&
               weir_metrics_total(metrics, WEIR_METRIC_LABELS) >= labels_sent_in_all(it);
        pause_ms(50);
    }
}

/* The group is joined, and its first fetches are out, before anything is sent, so that latencies are those of a running
 * service. */
static void await_service(demo *it)
{
    int64_t until_us = weir_cli_steady_us() + JOIN_US;
    while (weir_cli_steady_us() < until_us && !atomic_load(&it->interrupted)) {
        weir_metrics *metrics = atomic_load(&it->metrics);
        if (metrics && weir_metrics_total(metrics, WEIR_METRIC_REBALANCES) > 0)
            break;
        pause_ms(50);
    }
    pause_ms(500);
}

static weir_status open_senders(demo *it, weir_error *error)
{
    const weir_conf *conf = &it->conf;
    /* The embedded broker finds a record by walking through all batches it keeps: better few, large ones. Labels are
     * few, and to be there first. */
    enum { LINGER_US = 10 * WEIR_US_PER_MS, LABEL_LINGER_US = 0 };
    weir_status status =
        weir_sender_open(conf->brokers, conf->topics_transactions, LINGER_US, NULL, 0, &it->transactions, error);
    if (status == WEIR_OK && *conf->topics_labels)
        status = weir_sender_open(conf->brokers, conf->topics_labels, LABEL_LINGER_US, NULL, 0, &it->labels, error);
    return status;
}

static void close_senders(demo *it)
{
    weir_sender_close(it->transactions);
    weir_sender_close(it->labels);
}

static weir_status stream(demo *it, weir_error *error)
{
    const demo_values *values = it->values;
    weir_generator_config config = {.seed = (uint64_t)values->seed, .card_count = (uint32_t)values->cards};
    weir_generator *generator = NULL;
    weir_status status = weir_generator_open(&config, &generator, error);
    if (status == WEIR_OK)
        status = open_senders(it, error);
    if (status == WEIR_OK) {
        await_service(it);
        status = send_stream(it, generator);
        if (status != WEIR_OK)
            weir_error_set(error, status, "the stream cannot be sent: %s", weir_status_name(status));
        weir_sender_flush(it->transactions, SETTLE_US);
        if (it->labels)
            weir_sender_flush(it->labels, SETTLE_US);
        settle(it);
    }
    close_senders(it);
    weir_generator_close(generator);
    return status;
}

/* ---- open, run, close ---- */

static weir_status load_conf(demo *it, const weir_cli_operands *operands, weir_error *error)
{
    char model[512];
    const char *fixed[] = {
        "--brokers", weir_embedded_bootstrap(it->embedded), "--state-dir", it->state_dir, "--http.listen", "",
        "--log.level", "error", "--workers", "1", "--kafka.consumer.fetch.wait.max.ms", FETCH_WAIT_MS,
        "--stages", "card,terminal,merchant", "--topics.labels", "labels",
        /* An hour of event time passes in 35 ms here: no partition is that even, nor silent for longer than this. */
        "--alignment.drift_max", "1d", "--alignment.idle_timeout", "1s",
        "--model", it->values->model ? it->values->model : find_model(model, sizeof model),
    };
    enum { FIXED_COUNT = sizeof fixed / sizeof *fixed };
    const char **arguments = calloc(FIXED_COUNT + operands->conf_argument_count, sizeof *arguments);
    if (!arguments)
        return weir_error_set(error, WEIR_FULL, "no memory for the configuration");
    memcpy(arguments, fixed, sizeof fixed);
    for (size_t i = 0; i < operands->conf_argument_count; i++)
        arguments[FIXED_COUNT + i] = operands->conf_arguments[i];
    weir_conf_inputs inputs = {.arguments = arguments,
                               .argument_count = FIXED_COUNT + operands->conf_argument_count};
    weir_status status = weir_conf_load(&inputs, &it->conf, error);
    free(arguments);
    return status;
}

/* weir has a broker make its internal topics; the embedded one cannot be asked to. */
static weir_status open_internal_topics(demo *it, weir_error *error)
{
    const weir_conf *conf = &it->conf;
    char name[256];
    snprintf(name, sizeof name, "%s.clock", conf->group_id);
    weir_status status = weir_embedded_topic(it->embedded, name, 1, error);
    for (size_t i = 1; i < conf->stages.count && status == WEIR_OK; i++) {
        snprintf(name, sizeof name, "%s.stage.%s", conf->group_id, conf->stages.items[i]);
        status = weir_embedded_topic(it->embedded, name, PARTITIONS, error);
    }
    return status;
}

static weir_status open_broker(demo *it, weir_error *error)
{
    const weir_conf *conf = &it->conf;
    const char *const topics[] = {conf->topics_transactions, conf->topics_labels, conf->topics_alerts,
                                  conf->topics_scores, conf->topics_dead_letters};
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < sizeof topics / sizeof *topics && status == WEIR_OK; i++)
        if (*topics[i])
            status = weir_embedded_topic(it->embedded, topics[i], PARTITIONS, error);
    if (status == WEIR_OK && conf->stages.count > 1)
        status = open_internal_topics(it, error);
    if (status == WEIR_OK)
        status = weir_tail_open(conf->brokers, conf->topics_alerts, -2,
                                &(weir_kafka_property){"fetch.wait.max.ms", FETCH_WAIT_MS}, 1, &it->alerts, error);
    return status;
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about, (void)kind, (void)place;
    return remove(path);
}

static void close_demo(demo *it)
{
    weir_tail_close(it->alerts);
    weir_embedded_close(it->embedded);
    weir_conf_deinit(&it->conf);
    demo_tally_close(&it->tally);
    if (*it->state_dir)
        nftw(it->state_dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static weir_status open_demo(demo *it, const weir_cli_operands *operands, weir_error *error)
{
    size_t transaction_max = (size_t)((double)it->values->duration_us / 1e6 * it->values->rate) + 1000;
    weir_status status = demo_tally_open(&it->tally, transaction_max, error);
    if (status != WEIR_OK)
        return status;
    snprintf(it->state_dir, sizeof it->state_dir, "/tmp/weir-demo-XXXXXX");
    if (!mkdtemp(it->state_dir)) {
        *it->state_dir = '\0';
        return weir_error_set(error, WEIR_IO, "/tmp: cannot make a directory for the state");
    }
    status = weir_embedded_open(1, &it->embedded, error);
    if (status == WEIR_OK)
        status = load_conf(it, operands, error);
    return status == WEIR_OK ? open_broker(it, error) : status;
}

static weir_status run_demo(demo *it, weir_error *error)
{
    if (pthread_create(&it->service_thread, NULL, serve, it) != 0)
        return weir_error_set(error, WEIR_IO, "cannot start a thread");
    if (pthread_create(&it->alerts_thread, NULL, hear_alerts, it) != 0) {
        atomic_store(&it->stop_service, true);
        pthread_join(it->service_thread, NULL);
        return weir_error_set(error, WEIR_IO, "cannot start a thread");
    }
    weir_status status = stream(it, error);
    atomic_store(&it->stop_service, true);
    pthread_join(it->service_thread, NULL);
    atomic_store(&it->stop_alerts, true);
    pthread_join(it->alerts_thread, NULL);
    if (it->service_status != WEIR_OK) {
        *error = it->service_error;
        return it->service_status;
    }
    return status;
}

static double mean_label_delay_days(const demo *it)
{
    uint64_t count = labels_sent_in_all(it);
    return count ? it->label_delay_days / (double)count : 0;
}

/* Every record sent has exactly one fate, every label was heard once, and every alert counted was read exactly once. */
static bool is_balanced(const demo *it)
{
    return it->scored + it->dead_letters + it->duplicates == it->sent && it->dead_letters == it->garbage &&
           it->labels_heard == labels_sent_in_all(it) && it->tally.alerts == it->alerts_sent &&
           it->tally.repeated == 0 && it->tally.unknown == 0;
}

static void print_balance(const demo *it)
{
    if (is_balanced(it)) {
        printf("\n  The stream balanced: every record was scored or dead-lettered, every label heard, every alert read"
               " once.\n");
        return;
    }
    printf("\n  THE STREAM DID NOT BALANCE: %" PRIu64 " sent (%" PRIu64 " of them garbage), %" PRIu64
           " with a fate, %" PRIu64 " labels sent, %" PRIu64 " heard, %" PRIu64 " alerts sent, %" PRIu64
           " read, %" PRIu64 " repeated, %" PRIu64 " unknown\n",
           it->sent, it->garbage, it->scored + it->dead_letters + it->duplicates, labels_sent_in_all(it),
           it->labels_heard, it->alerts_sent, it->tally.alerts, it->tally.repeated, it->tally.unknown);
}

static void print_summary(demo *it)
{
    printf("\n  %" PRIu64 " records in %.0f s (%.0f a second): %" PRIu64 " scored, %" PRIu64 " dead letters, %" PRIu64
           " redeliveries; %" PRIu64 " alerts\n",
           it->sent, it->seconds, (double)it->sent / it->seconds, it->scored, it->dead_letters, it->duplicates,
           it->alerts_sent);
    printf("  %.0f days of transactions; %" PRIu64 " labels of fraud and %" PRIu64
           " of honest ones cleared, %.1f days after on average\n",
           (double)(it->last_event_us - it->first_event_us) / WEIR_US_PER_DAY, it->labels_sent[WEIR_LABEL_FRAUD],
           it->labels_sent[WEIR_LABEL_CLEARED], mean_label_delay_days(it));
    if (it->labels_late > 0)
        printf("  %" PRIu64 " of the labels arrived just behind a later transaction, and counted from then on\n",
               it->labels_late);
    printf("\n");
    demo_tally_print(&it->tally, &it->conf.stages);
    printf("  of that weir's own (record received to alert handed over): p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms\n",
           weir_histogram_quantile(&it->own_share_us, 0.5) / 1e3,
           weir_histogram_quantile(&it->own_share_us, 0.99) / 1e3,
           weir_histogram_quantile(&it->own_share_us, 0.999) / 1e3);
    if (!isnan(it->precision_heard) && !isnan(it->recall_heard))
        printf("  as weir could tell by now, from the labels alone: precision %.2f, recall %.2f\n", it->precision_heard,
               it->recall_heard);
    print_balance(it);
}

int weir_cli_demo(int argc, char **argv)
{
    demo_values values = {.duration_us = 60 * WEIR_US_PER_SECOND, .rate = 4000, .cards = 1500, .seed = 7};
    weir_cli_operands operands;
    int code = weir_cli_parse(&USAGE, argc, argv, &values, &operands);
    if (code != WEIR_CLI_GO_ON)
        return code;
    if (values.rate <= 0 || values.rate > 1e6 || values.cards < 1 || values.cards > 10000000 ||
        values.duration_us <= 0 || values.duration_us > WEIR_US_PER_HOUR)
        return weir_cli_misused(&USAGE, "--rate is up to 1000000, --cards up to 10000000, --duration up to 1h");
    weir_log_options log = {.file = STDERR_FILENO, .level = WEIR_LOG_ERROR};
    weir_log_setup(&log);
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    the.values = &values;
    weir_error error = {0};
    weir_status status = open_demo(&the, &operands, &error);
    if (status == WEIR_OK) {
        if (!values.quiet)
            printf("A broker, %" PRId64
                   " cards and weir, for %.0f s at %.0f transactions a second. Caught fraud, as it "
                   "happens:\n\n",
                   values.cards, (double)values.duration_us / 1e6, values.rate);
        status = run_demo(&the, &error);
    }
    if (status != WEIR_OK) {
        code = weir_cli_fail(&error);
    } else {
        print_summary(&the);
        code = is_balanced(&the) ? WEIR_EXIT_OK : WEIR_EXIT_FAILED;
    }
    close_demo(&the);
    return weir_cli_finish(code);
}
