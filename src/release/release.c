#include "weir/release/release.h"

#include "draft.h"
#include "linear.h"
#include "onnx.h"

#include "weir/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(WEIR_MODEL_ID_SIZE == crypto_hash_sha256_BYTES, "an identity is a SHA-256");
_Static_assert(offsetof(weir_draft, release) == 0, "a release is the draft it was made of");

/* JSON takes about forty times its size while it is read. */
enum { LINEAR_SIZE_MAX = 8 << 20 };

/* A format: how to tell it from the first byte that is not white space, and who reads it. A protobuf message
 * cannot begin with '{' (field 15, a group: not in ONNX). */
typedef struct release_format {
    const char *name;
    size_t size_max;
    weir_status (*read)(weir_draft *draft, weir_span bytes, weir_error *error);
} release_format;

static const release_format FORMATS[WEIR_RELEASE_FORMAT_COUNT] = {
    [WEIR_RELEASE_LINEAR_V1] = {"weir.linear/v1", LINEAR_SIZE_MAX, weir_linear_read},
    [WEIR_RELEASE_ONNX] = {"onnx", WEIR_RELEASE_FILE_SIZE_MAX, weir_onnx_read},
};

const char *weir_release_format_name(weir_release_format format)
{
    weir_check((unsigned)format < WEIR_RELEASE_FORMAT_COUNT);
    return FORMATS[format].name;
}

static const release_format *sniff(weir_span bytes)
{
    size_t at = 0;
    while (at < bytes.size && strchr(" \t\r\n", bytes.data[at]) && bytes.data[at])
        at++;
    bool is_json = at < bytes.size && bytes.data[at] == '{';
    return &FORMATS[is_json ? WEIR_RELEASE_LINEAR_V1 : WEIR_RELEASE_ONNX];
}

weir_status weir_release_load(weir_span bytes, const weir_plan_options *plan_options, weir_release **release_out,
                              weir_error *error)
{
    const release_format *format = sniff(bytes);
    if (bytes.size == 0 || bytes.size > format->size_max)
        return weir_error_set(error, WEIR_INVALID, "%zu bytes: expected 1 to %zu of a model in %s", bytes.size,
                              format->size_max, format->name);
    weir_draft *draft = weir_draft_open();
    if (!draft)
        return weir_draft_is_full(error);
    weir_status status = format->read(draft, bytes, error);
    if (status == WEIR_OK)
        status = weir_draft_finish(draft, plan_options, error);
    if (status != WEIR_OK) {
        weir_draft_close(draft);
        return status;
    }
    crypto_hash_sha256(draft->release.model.id, bytes.data, bytes.size);
    *release_out = &draft->release;
    return WEIR_OK;
}

/* --- files --------------------------------------------------------------------------------------------------- */

static weir_status refuse_errno(const char *verb, weir_error *error)
{
    int number = errno;
    return weir_error_set(error, number == ENOENT ? WEIR_NOT_FOUND : WEIR_IO, "%s: %s", verb, strerror(number));
}

static weir_status read_all(int fd, uint8_t *bytes, size_t size, weir_error *error)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, bytes + at, size - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return refuse_errno("cannot read", error);
        if (got == 0)
            return weir_error_set(error, WEIR_IO, "the file became shorter while it was read");
        at += (size_t)got;
    }
    return WEIR_OK;
}

static weir_status load_open_file(int fd, const weir_plan_options *plan_options, weir_release **release_out,
                                  weir_error *error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return refuse_errno("cannot read", error);
    if (!S_ISREG(info.st_mode) || info.st_size > WEIR_RELEASE_FILE_SIZE_MAX)
        return weir_error_set(error, WEIR_INVALID, "not a regular file of at most %d MiB",
                              WEIR_RELEASE_FILE_SIZE_MAX >> 20);
    size_t size = (size_t)info.st_size;
    uint8_t *bytes = malloc(size + 1);
    if (!bytes)
        return weir_draft_is_full(error);
    weir_status status = read_all(fd, bytes, size, error);
    if (status == WEIR_OK)
        status = weir_release_load(weir_span_of(bytes, size), plan_options, release_out, error);
    free(bytes);
    return status;
}

weir_status weir_release_load_file(const char *path, const weir_plan_options *plan_options, weir_release **release_out,
                                   weir_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up before it is refused */
    weir_status status = fd < 0 ? refuse_errno("cannot open", error)
                                : load_open_file(fd, plan_options, release_out, error);
    if (fd >= 0)
        close(fd);
    if (status != WEIR_OK)
        weir_error_wrap(error, "%s", path);
    return status;
}

void weir_release_close(weir_release *release)
{
    weir_draft_close((weir_draft *)release);
}

void weir_release_id_text(const weir_release *release, char text_out[WEIR_RELEASE_ID_TEXT_SIZE])
{
    sodium_bin2hex(text_out, WEIR_RELEASE_ID_TEXT_SIZE, release->model.id, WEIR_MODEL_ID_SIZE);
}
