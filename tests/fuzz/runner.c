/* A fuzz target as an ordinary test: every file of its corpus, then a bounded, seeded round of mutations of them.
 *
 *   replay_<name> [--mutations N] [--seed S] [--input-max BYTES] [--crash FILE] CORPUS_DIR | FILE ...
 *
 * It prints one TAP line a corpus file and one for the mutations. The input under test lies in a shared mapping of
 * the --crash file, so that it is on disk whatever way the target dies; the file is removed after a clean run. Run the
 * target on that file alone to see the failure again, and add it to the corpus with the fix.
 *
 * The search proper is libFuzzer's (preset "fuzz"); this finds what a parser's next careless edit breaks.
 */
#include "weir/base/check.h"
#include "weir/base/rng.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_COUNT_MAX = 4096, SLOW_INPUT_MS = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct corpus_input {
    char *path;
    uint8_t *bytes;
    size_t size;
} corpus_input;

typedef struct fuzz_run {
    uint64_t mutation_count;
    uint64_t seed;
    size_t input_size_max;
    const char *crash_path;
    int crash_file;
    uint8_t *shared; /* input_size_max bytes of the crash file */
    corpus_input inputs[INPUT_COUNT_MAX];
    size_t input_count;
    int failed_count;
} fuzz_run;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "runner: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- the corpus ---- */

static void load_file(fuzz_run *run, const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (!file || fstat(fileno(file), &status) != 0)
        give_up(path);
    weir_check(run->input_count < INPUT_COUNT_MAX);
    corpus_input *input = &run->inputs[run->input_count++];
    *input = (corpus_input){.path = strdup(path), .size = (size_t)status.st_size};
    input->bytes = malloc(input->size + 1);
    weir_check(input->path && input->bytes);
    if (fread(input->bytes, 1, input->size, file) != input->size)
        give_up(path);
    fclose(file);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void load(fuzz_run *run, const char *path)
{
    struct dirent **entries;
    struct stat status;
    if (stat(path, &status) != 0)
        give_up(path);
    if (!S_ISDIR(status.st_mode)) {
        load_file(run, path);
        return;
    }
    int count = scandir(path, &entries, is_visible, alphasort); /* sorted: a seed means the same run everywhere */
    for (int i = 0; i < count; i++) {
        char child[4096];
        snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
        load(run, child);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

/* ---- mutations: each takes the bytes and their size, and returns the new size ---- */

typedef size_t (*mutator)(weir_rng *rng, const fuzz_run *run, uint8_t *bytes, size_t size);

static size_t flip_bit(weir_rng *rng, const fuzz_run *run, uint8_t *bytes, size_t size)
{
    (void)run;
    if (size)
        bytes[weir_rng_below(rng, size)] ^= (uint8_t)(1u << weir_rng_below(rng, 8));
    return size;
}

static size_t set_byte(weir_rng *rng, const fuzz_run *run, uint8_t *bytes, size_t size)
{
    static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '"', '\\', '\n', '{', '(', '-', '0', '9', ' '};
    (void)run;
    if (size)
        bytes[weir_rng_below(rng, size)] = telling[weir_rng_below(rng, sizeof telling)];
    return size;
}

static size_t insert_bytes(weir_rng *rng, const fuzz_run *run, uint8_t *bytes, size_t size)
{
    size_t room = run->input_size_max - size;
    size_t count = 1 + weir_rng_below(rng, 8);
    size_t at = weir_rng_below(rng, size + 1);
    if (count > room)
        return size;
    memmove(bytes + at + count, bytes + at, size - at);
    for (size_t i = 0; i < count; i++)
        bytes[at + i] = (uint8_t)weir_rng_next(rng);
    return size + count;
}

static size_t delete_bytes(weir_rng *rng, const fuzz_run *run, uint8_t *bytes, size_t size)
{
    (void)run;
    if (size == 0)
        return 0;
    size_t at = weir_rng_below(rng, size);
    size_t count = 1 + weir_rng_below(rng, size - at);
    if (count > 16 && weir_rng_below(rng, 4))
        count = 16;
    memmove(bytes + at, bytes + at + count, size - at - count);
    return size - count;
}

static size_t repeat_bytes(weir_rng *rng, const fuzz_run *run, uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    size_t from = weir_rng_below(rng, size);
    size_t count = 1 + weir_rng_below(rng, size - from);
    if (count > run->input_size_max - size)
        return size;
    memmove(bytes + from + count, bytes + from, size - from);
    return size + count;
}

/* The head of this input, the tail of another. */
static size_t splice_inputs(weir_rng *rng, const fuzz_run *run, uint8_t *bytes, size_t size)
{
    const corpus_input *other = &run->inputs[weir_rng_below(rng, run->input_count)];
    size_t head = weir_rng_below(rng, size + 1);
    size_t from = weir_rng_below(rng, other->size + 1);
    size_t count = other->size - from;
    if (count > run->input_size_max - head)
        return size;
    memcpy(bytes + head, other->bytes + from, count);
    return head + count;
}

static const mutator mutators[] = {flip_bit, set_byte, insert_bytes, delete_bytes, repeat_bytes, splice_inputs};

/* ---- running ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Runs the shared bytes; false when the target returned something but 0, or took too long.
 * The copy has exactly `size` bytes, so that a sanitizer sees the first byte read past it. */
static bool run_one(const fuzz_run *run, size_t size)
{
    if (ftruncate(run->crash_file, (off_t)(size ? size : 1)) != 0)
        give_up(run->crash_path);
    uint8_t *exact = malloc(size ? size : 1);
    weir_check(exact);
    memcpy(exact, run->shared, size);
    int64_t began_ms = now_ms();
    int answer = LLVMFuzzerTestOneInput(exact, size);
    int64_t took_ms = now_ms() - began_ms;
    free(exact);
    if (took_ms > SLOW_INPUT_MS)
        fprintf(stderr, "runner: one input of %zu bytes took %lld ms\n", size, (long long)took_ms);
    return answer == 0 && took_ms <= SLOW_INPUT_MS;
}

/* The crash file is shrunk to the input before each run and grown again to write the next one. */
static void make_room(const fuzz_run *run)
{
    if (ftruncate(run->crash_file, (off_t)run->input_size_max) != 0)
        give_up(run->crash_path);
}

static void replay_corpus(fuzz_run *run)
{
    for (size_t i = 0; i < run->input_count; i++) {
        const corpus_input *input = &run->inputs[i];
        size_t size = input->size < run->input_size_max ? input->size : run->input_size_max;
        make_room(run);
        memcpy(run->shared, input->bytes, size);
        bool good = run_one(run, size);
        const char *slash = strrchr(input->path, '/');
        printf("%s - corpus::%s\n", good ? "ok" : "not ok", slash ? slash + 1 : input->path);
        run->failed_count += !good;
    }
}

static size_t mutate(weir_rng *rng, const fuzz_run *run)
{
    const corpus_input *input = &run->inputs[weir_rng_below(rng, run->input_count)];
    size_t size = input->size < run->input_size_max ? input->size : run->input_size_max;
    make_room(run);
    memcpy(run->shared, input->bytes, size);
    for (uint64_t rounds = 1 + weir_rng_below(rng, 5); rounds > 0; rounds--)
        size = mutators[weir_rng_below(rng, sizeof mutators / sizeof *mutators)](rng, run, run->shared, size);
    return size;
}

static void replay_mutations(fuzz_run *run)
{
    weir_rng rng = {.state = run->seed};
    for (uint64_t i = 0; i < run->mutation_count; i++) {
        if (run_one(run, mutate(&rng, run)))
            continue;
        printf("not ok - mutations::%llu of seed %llu (kept in %s)\n", (unsigned long long)i,
               (unsigned long long)run->seed, run->crash_path);
        run->failed_count++;
        return;
    }
    printf("ok - mutations::%llu of seed %llu\n", (unsigned long long)run->mutation_count,
           (unsigned long long)run->seed);
}

/* ---- command line ---- */

static void open_crash_file(fuzz_run *run)
{
    run->crash_file = open(run->crash_path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (run->crash_file < 0)
        give_up(run->crash_path);
    make_room(run);
    run->shared = mmap(NULL, run->input_size_max, PROT_READ | PROT_WRITE, MAP_SHARED, run->crash_file, 0);
    if (run->shared == MAP_FAILED)
        give_up(run->crash_path);
}

static void parse(fuzz_run *run, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (!strcmp(argv[i], "--mutations") && has_value)
            run->mutation_count = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--seed") && has_value)
            run->seed = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--input-max") && has_value)
            run->input_size_max = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--crash") && has_value)
            run->crash_path = argv[++i];
        else
            load(run, argv[i]);
    }
}

int main(int argc, char **argv)
{
    static fuzz_run run = {.mutation_count = 0, .seed = 1, .input_size_max = 1 << 16, .crash_path = "crash-input"};
    setvbuf(stdout, NULL, _IOLBF, 0); /* a line must not die with the target, nor be printed twice */
    parse(&run, argc, argv);
    if (run.input_count == 0) {
        fprintf(stderr, "runner: no corpus: give a directory with at least one input\n");
        return 2;
    }
    open_crash_file(&run);
    replay_corpus(&run);
    if (run.mutation_count)
        replay_mutations(&run);
    if (run.failed_count == 0)
        unlink(run.crash_path);
    for (size_t i = 0; i < run.input_count; i++) {
        free(run.inputs[i].path);
        free(run.inputs[i].bytes);
    }
    return run.failed_count ? 1 : 0;
}
