/* Base64 of small fields, as the proto3 JSON mapping has bytes. Source: RFC 4648. */
#ifndef WEIR_CODEC_BASE64_H
#define WEIR_CODEC_BASE64_H

#include "weir/base/cursor.h"

/* Appends the standard alphabet with padding. */
void weir_base64_write(weir_writer *writer, weir_span bytes);

/* Appends the bytes that `text` stands for: either alphabet, padding optional. False when it is not base64. */
bool weir_base64_read(weir_writer *writer, weir_span text);

#endif
