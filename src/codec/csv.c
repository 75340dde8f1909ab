#include "contract.h"
#include "utf8.h"
#include "weir/base/check.h"

#include <stdlib.h>

enum { COLUMN_MAX = 256, CELL_SIZE_MAX = 4096 };

/* Where a column's cells go: a field of the message, or one of a sub-message's (outer is then set). */
typedef struct column {
    const weir_contract_field *outer, *field; /* field is NULL for a column that is ignored */
} column;

struct weir_csv {
    const weir_contract_message *contract;
    size_t column_count;
    column columns[COLUMN_MAX];
};

/* A list has no column to go into: a type that has one is a caller's mistake. */
static const weir_contract_message *flat_contract(weir_message_type type)
{
    const weir_contract_message *message = weir_contract_of(type);
    for (unsigned i = 0; i < message->n_fields; i++)
        weir_check(message->fields[i].label != PROTOBUF_C_LABEL_REPEATED);
    return message;
}

/* ---- cells (RFC 4180) ------------------------------------------------------------------------------------ */

typedef struct line_reader {
    const uint8_t *at, *end;
    bool finished; /* the last cell was taken */
} line_reader;

static line_reader read_line(weir_span line)
{
    while (line.size > 0 && (line.data[line.size - 1] == '\n' || line.data[line.size - 1] == '\r'))
        line.size--;
    return (line_reader){.at = line.data, .end = line.data + line.size};
}

/* The inside of a quoted cell, "" undoubled, into `cell`. */
static bool read_quoted(line_reader *line, weir_writer *cell)
{
    for (line->at++; line->at < line->end; line->at++) {
        if (*line->at == '"') {
            line->at++;
            if (line->at == line->end || *line->at != '"')
                return true;
        }
        weir_write_bytes(cell, line->at, 1);
    }
    return false;
}

/* The next cell's text, which lives in the line or in `cell`'s memory. False when a quote is left open, has
 * text after it, or the cell is longer than CELL_SIZE_MAX. */
static bool next_cell(line_reader *line, weir_writer *cell, weir_span *text_out)
{
    const uint8_t *begin = line->at;
    bool quoted = begin < line->end && *begin == '"';
    cell->used = 0;
    if (quoted && !read_quoted(line, cell))
        return false;
    while (!quoted && line->at < line->end && *line->at != ',')
        line->at++;
    if (line->at < line->end && *line->at != ',')
        return false;
    *text_out = quoted ? weir_span_of(cell->base, cell->used) : weir_span_of(begin, (size_t)(line->at - begin));
    line->finished = line->at == line->end;
    line->at += !line->finished;
    return !cell->failed;
}

/* ---- the header ------------------------------------------------------------------------------------------ */

/* A sub-message's fields are columns of their own: latitude, longitude. */
static bool find_column(const weir_contract_message *message, weir_span name, column *column_out)
{
    const weir_contract_field *field = weir_contract_find(message, name);
    if (field && field->type != PROTOBUF_C_TYPE_MESSAGE) {
        *column_out = (column){.field = field};
        return true;
    }
    for (unsigned i = 0; i < message->n_fields; i++) {
        const weir_contract_field *outer = &message->fields[i];
        if (outer->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        field = weir_contract_find(weir_contract_inner(outer), name);
        if (field) {
            *column_out = (column){.outer = outer, .field = field};
            return true;
        }
    }
    return false;
}

static weir_status add_column(weir_csv *csv, weir_span name, weir_error *error)
{
    column found = {0};
    bool ignored = name.size > 0 && name.data[0] == '_';
    if (csv->column_count == COLUMN_MAX)
        return weir_error_set(error, WEIR_INVALID, "more than %d columns", COLUMN_MAX);
    if (!ignored && !find_column(csv->contract, name, &found))
        return weir_error_set(error, WEIR_INVALID, "column %zu: \"%.*s\" is not a field of %s", csv->column_count + 1,
                              (int)(name.size < 64 ? name.size : 64), (const char *)name.data, csv->contract->name);
    for (size_t i = 0; !ignored && i < csv->column_count; i++)
        if (csv->columns[i].field == found.field)
            return weir_error_set(error, WEIR_INVALID, "%s is given twice", found.field->name);
    csv->columns[csv->column_count++] = found;
    return WEIR_OK;
}

static weir_status read_header(weir_csv *csv, weir_span header, weir_error *error)
{
    uint8_t memory[CELL_SIZE_MAX];
    weir_writer cell = weir_writer_of(memory, sizeof memory);
    line_reader line = read_line(header);
    weir_status status = WEIR_OK;
    while (status == WEIR_OK && !line.finished) {
        weir_span name;
        if (!next_cell(&line, &cell, &name))
            return weir_error_set(error, WEIR_INVALID, "column %zu: quotes do not match", csv->column_count + 1);
        status = add_column(csv, name, error);
    }
    return status;
}

weir_status weir_csv_open(weir_message_type type, weir_span header, weir_csv **csv_out, weir_error *error)
{
    weir_csv *csv = calloc(1, sizeof *csv);
    if (!csv)
        return weir_error_set(error, WEIR_FULL, "no memory for the columns of a CSV file");
    csv->contract = flat_contract(type);
    weir_status status = read_header(csv, header, error);
    if (status == WEIR_OK)
        *csv_out = csv;
    else
        weir_csv_close(csv);
    return status;
}

void weir_csv_close(weir_csv *csv)
{
    free(csv);
}

/* ---- rows ------------------------------------------------------------------------------------------------ */

typedef struct row {
    weir_span cells[COLUMN_MAX];
    uint8_t memory[CELL_SIZE_MAX]; /* of the quoted cells */
} row;

static weir_status read_row(const weir_csv *csv, weir_span text, row *row_out, weir_error *error)
{
    size_t used = 0, count = 0;
    line_reader line = read_line(text);
    for (; !line.finished && count < csv->column_count; count++) {
        weir_writer cell = weir_writer_of(row_out->memory + used, sizeof row_out->memory - used);
        if (!next_cell(&line, &cell, &row_out->cells[count]))
            return weir_error_set(error, WEIR_INVALID, "column %zu: quotes do not match, or a cell is too long",
                                  count + 1);
        used += cell.used;
    }
    if (count < csv->column_count || !line.finished)
        return weir_error_set(error, WEIR_INVALID, "%s cells than the header has columns (%zu)",
                              line.finished ? "fewer" : "more", csv->column_count);
    return WEIR_OK;
}

static weir_status put_cell(const weir_csv *csv, const row *cells, const weir_contract_field *field,
                            weir_writer *message, weir_error *error)
{
    for (size_t i = 0; i < csv->column_count; i++)
        if (csv->columns[i].field == field)
            return cells->cells[i].size ? weir_contract_put_text(field, cells->cells[i], message, error) : WEIR_OK;
    return WEIR_OK;
}

/* How many of a sub-message's cells are filled in: all or none, since half a location is none. */
static size_t count_filled(const weir_csv *csv, const row *cells, const weir_contract_field *outer)
{
    size_t count = 0;
    for (size_t i = 0; i < csv->column_count; i++)
        count += csv->columns[i].outer == outer && cells->cells[i].size > 0;
    return count;
}

static weir_status put_inner(const weir_csv *csv, const row *cells, const weir_contract_field *outer,
                             weir_writer *message, weir_error *error)
{
    const weir_contract_message *inner = weir_contract_inner(outer);
    size_t filled = count_filled(csv, cells, outer);
    if (filled == 0)
        return WEIR_OK;
    if (filled < inner->n_fields)
        return weir_error_set(error, WEIR_INVALID, "%s: only some of its columns are filled in", outer->name);
    size_t mark = weir_wire_begin(message, outer->id);
    weir_status status = WEIR_OK;
    for (unsigned i = 0; status == WEIR_OK && i < inner->n_fields; i++)
        status = put_cell(csv, cells, &inner->fields[i], message, error);
    weir_wire_end(message, mark);
    return status;
}

static weir_status put_row(const weir_csv *csv, const row *cells, weir_writer *message, weir_error *error)
{
    weir_status status = WEIR_OK;
    for (unsigned i = 0; status == WEIR_OK && i < csv->contract->n_fields; i++) {
        const weir_contract_field *field = &csv->contract->fields[i];
        status = field->type == PROTOBUF_C_TYPE_MESSAGE ? put_inner(csv, cells, field, message, error)
                                                        : put_cell(csv, cells, field, message, error);
    }
    return status;
}

weir_status weir_csv_row(weir_csv *csv, weir_span line, weir_writer *message, weir_error *error)
{
    row cells;
    size_t begin = message->used;
    weir_status status = read_row(csv, line, &cells, error);
    if (status == WEIR_OK)
        status = put_row(csv, &cells, message, error);
    if (status == WEIR_OK && message->failed)
        status = weir_error_set(error, WEIR_FULL, "a message of more than %zu bytes", message->size);
    if (status != WEIR_OK)
        message->used = begin;
    return status;
}

/* ---- writing --------------------------------------------------------------------------------------------- */

static bool needs_quotes(weir_span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == ',' || text.data[i] == '"' || text.data[i] == '\n' || text.data[i] == '\r')
            return true;
    return false;
}

void weir_csv_write_text(weir_writer *csv, weir_span text)
{
    if (!needs_quotes(text)) {
        weir_write_bytes(csv, text.data, text.size);
        return;
    }
    weir_write_bytes(csv, "\"", 1);
    for (size_t i = 0; i < text.size; i++)
        weir_write_bytes(csv, text.data[i] == '"' ? (const uint8_t *)"\"\"" : &text.data[i],
                         text.data[i] == '"' ? 2 : 1);
    weir_write_bytes(csv, "\"", 1);
}

static void write_names(const weir_contract_message *message, weir_writer *csv, bool *first)
{
    for (unsigned i = 0; i < message->n_fields; i++) {
        const weir_contract_field *field = &message->fields[i];
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            write_names(weir_contract_inner(field), csv, first);
            continue;
        }
        weir_write_bytes(csv, ",", !*first);
        weir_csv_write_text(csv, weir_span_text(field->name));
        *first = false;
    }
}

void weir_csv_write_header(weir_message_type type, weir_writer *csv)
{
    bool first = true;
    write_names(flat_contract(type), csv, &first);
}

/* Inside a sub-message that is there, a zero is a value (latitude 0 is the equator); elsewhere a default is
 * left out. */
static bool write_cell(const weir_contract_field *field, weir_span bytes, bool with_default, weir_writer *csv)
{
    weir_wire_field value = {0};
    bool found;
    if (!weir_contract_last(field, bytes, &value, &found))
        return false;
    if (!with_default && (!found || weir_contract_is_default(field, &value)))
        return true;
    if (field->type != PROTOBUF_C_TYPE_STRING)
        return weir_contract_write(field, &value, false, csv);
    weir_csv_write_text(csv, value.bytes);
    return weir_utf8_is_text(value.bytes);
}

static bool write_cells(const weir_contract_message *message, weir_span bytes, bool is_inner, bool *first,
                        weir_writer *csv)
{
    for (unsigned i = 0; i < message->n_fields; i++) {
        const weir_contract_field *field = &message->fields[i];
        uint8_t pieces[CELL_SIZE_MAX];
        weir_writer scratch = weir_writer_of(pieces, sizeof pieces);
        weir_span inner;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            if (!weir_contract_gather(field, bytes, &scratch, &inner) ||
                !write_cells(weir_contract_inner(field), inner, inner.data != NULL, first, csv))
                return false;
            continue;
        }
        weir_write_bytes(csv, ",", !*first);
        *first = false;
        if (!write_cell(field, bytes, is_inner, csv))
            return false;
    }
    return true;
}

weir_status weir_csv_write_row(weir_message_type type, weir_span message, weir_writer *csv, weir_error *error)
{
    const weir_contract_message *contract = flat_contract(type);
    bool first = true;
    size_t begin = csv->used;
    if (!write_cells(contract, message, false, &first, csv)) {
        csv->used = begin;
        return weir_error_set(error, WEIR_CORRUPT, "%zu bytes are not a %s", message.size, contract->name);
    }
    if (csv->failed)
        return weir_error_set(error, WEIR_FULL, "a row of more than %zu bytes", csv->size);
    return WEIR_OK;
}
