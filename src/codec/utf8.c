#include "utf8.h"

#include "weir/base/escape.h"

bool weir_utf8_is_text_slow(weir_span text)
{
    size_t size = 0;
    for (size_t at = 0; at < text.size; at += size) {
        size = weir_escape_utf8_size(weir_span_of(text.data + at, text.size - at));
        if (size == 0 || text.data[at] == 0)
            return false;
    }
    return true;
}
