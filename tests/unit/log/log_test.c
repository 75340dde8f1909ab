#include "weir/log/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int64_t now_us = INT64_C(1700000000000000);

static int64_t fake_clock(void)
{
    return now_us;
}

static int pipe_ends[2];

static void log_to_pipe(weir_log_level level, weir_log_format format)
{
    cr_assert_eq(pipe2(pipe_ends, O_CLOEXEC), 0);
    fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
    weir_log_setup(&(weir_log_options){.file = pipe_ends[1], .level = level, .format = format, .clock_us = fake_clock});
}

static char seen[1 << 18];

static const char *drain(void)
{
    size_t size = 0;
    for (ssize_t got; (got = read(pipe_ends[0], seen + size, sizeof seen - 1 - size)) > 0;)
        size += (size_t)got;
    seen[size] = 0;
    return seen;
}

static size_t line_count(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

Test(log, writes_what_reaches_the_level)
{
    log_to_pipe(WEIR_LOG_WARN, WEIR_LOG_AUTO);
    weir_log(WEIR_LOG_INFO, "quiet");
    cr_expect_str_empty(drain());
    weir_log(WEIR_LOG_ERROR, "loud", weir_log_int("n", 1), weir_log_text("t", "x"));
    const char *text = drain();
    cr_expect_not_null(strstr(text, "\"level\":\"error\",\"event\":\"loud\",\"where\":\""), "%s", text);
    cr_expect_not_null(strstr(text, "\"n\":1,\"t\":\"x\"}\n"), "%s", text);
    weir_log_set_level(WEIR_LOG_DEBUG);
    weir_log(WEIR_LOG_DEBUG, "now");
    cr_expect_eq(line_count(drain()), 1);
}

Test(log, names_its_place_in_the_code)
{
    log_to_pipe(WEIR_LOG_INFO, WEIR_LOG_JSON);
    weir_log_site site = {.file = "../src/app/worker.c", .line = 77};
    weir_log_write(&site, WEIR_LOG_INFO, "here", (const weir_log_field[]){weir_log_end});
    cr_expect_not_null(strstr(drain(), "\"where\":\"app/worker.c:77\""));
}

static size_t repeat(weir_log_site *site, int times)
{
    for (int i = 0; i < times; i++)
        weir_log_write(site, WEIR_LOG_WARN, "again", (const weir_log_field[]){weir_log_end});
    return line_count(drain());
}

Test(log, a_place_that_repeats_itself_is_held_back)
{
    log_to_pipe(WEIR_LOG_INFO, WEIR_LOG_JSON);
    weir_log_site site = {.file = "a.c", .line = 1}, other = {.file = "a.c", .line = 2};
    cr_expect_eq(repeat(&site, 1000), WEIR_LOG_BURST);
    cr_expect_eq(repeat(&other, 5), 5, "places do not share their allowance");
    now_us += 1000000;
    cr_expect_eq(repeat(&site, 1), 1);
    cr_expect_not_null(strstr(seen, "\"suppressed\":900"), "%s", seen);
    cr_expect_eq(repeat(&site, 10), 0);
    now_us += 3000000;
    cr_expect_eq(repeat(&site, 10), 3);
    now_us += INT64_C(3600) * 1000000;
    cr_expect_eq(repeat(&site, 1000), WEIR_LOG_BURST, "a long rest restores one burst and no more");
}

Test(log, a_clock_set_back_does_not_silence_it)
{
    log_to_pipe(WEIR_LOG_INFO, WEIR_LOG_JSON);
    weir_log_site site = {.file = "a.c", .line = 1};
    repeat(&site, 1);
    now_us -= INT64_C(86400) * 1000000;
    cr_expect_eq(repeat(&site, 1), 1);
}

Test(log, a_full_pipe_drops_lines_and_the_next_says_how_many)
{
    log_to_pipe(WEIR_LOG_INFO, WEIR_LOG_JSON);
    char block[4096] = {0};
    fcntl(pipe_ends[1], F_SETFL, O_NONBLOCK);
    while (write(pipe_ends[1], block, sizeof block) > 0)
        ;
    fcntl(pipe_ends[1], F_SETFL, 0); /* a blocking pipe: a careless write would hang here */
    uint64_t before = weir_log_dropped_count();
    for (int i = 0; i < 5; i++)
        weir_log(WEIR_LOG_INFO, "lost");
    cr_expect_eq(weir_log_dropped_count() - before, 5);
    drain();
    weir_log(WEIR_LOG_INFO, "heard");
    cr_expect_not_null(strstr(drain(), "\"dropped\":5"), "%s", seen);
    weir_log(WEIR_LOG_INFO, "heard_too");
    cr_expect_null(strstr(drain(), "dropped"));
}

static void *shout(void *unused)
{
    (void)unused;
    for (int i = 0; i < 60; i++) {
        weir_log_site site = {.file = "a.c", .line = i};
        weir_log_field text = weir_log_text("a", "0123456789012345678901234567890123456789");
        weir_log_write(&site, WEIR_LOG_INFO, "shout", (const weir_log_field[]){text, weir_log_end});
    }
    return NULL;
}

Test(log, lines_of_many_threads_do_not_mix)
{
    log_to_pipe(WEIR_LOG_INFO, WEIR_LOG_JSON);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, shout, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    size_t whole = 0;
    drain();
    for (char *line = strtok(seen, "\n"); line; line = strtok(NULL, "\n")) {
        cr_assert(line[0] == '{' && line[strlen(line) - 1] == '}', "%s", line);
        whole++;
    }
    cr_expect_eq(whole, 240);
}

static void *one_site(void *site)
{
    for (int i = 0; i < 500; i++)
        weir_log_write(site, WEIR_LOG_INFO, "shout", (const weir_log_field[]){weir_log_end});
    return NULL;
}

Test(log, threads_share_the_allowance_of_a_place)
{
    log_to_pipe(WEIR_LOG_INFO, WEIR_LOG_JSON);
    weir_log_site site = {.file = "a.c", .line = 1};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, one_site, &site);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(line_count(drain()), WEIR_LOG_BURST);
}
