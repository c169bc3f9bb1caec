/* Dead letters as people and programs read them. Topic, reason and payload may hold anything: no
 * function here lets a byte through that a terminal would obey. Each visits ph_store_letters(). */
#ifndef PH_INGEST_LETTER_PRINT_H
#define PH_INGEST_LETTER_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "ingest/store/rows.h"
#include "ingest/store/store.h"

/* One row per letter: id, received, device, stream, readings ("1042-1042 1044-1050"), reason, bytes
 * (of the payload), topic, payload; with `provenance` also fingerprint and unvouched. */
struct ph_letter_list {
    struct ph_rows rows;
    bool provenance;
};
enum ph_err ph_letter_list_begin(
    const struct ph_letter_list *list, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_letter_list_row(
    void *list, const struct ph_kept_letter *letter, struct ph_error *error) PH_NODISCARD;

/* Everything about one letter to a FILE, a line each, and below it the payload: lines of text when
 * it is text, and as `hexdump -C` shows it when not. */
enum ph_err ph_letter_show(
    void *file, const struct ph_kept_letter *letter, struct ph_error *error) PH_NODISCARD;

/* One line of JSON to a FILE: id, received, device, topic, reason, stream, readings ([[1042,1042],
 * [1044,1050]]), anchor, fingerprint, unvouched, payload (base64) and, when that is UTF-8 without a
 * NUL, text; what has no value is left out. */
enum ph_err ph_letter_export(
    void *file, const struct ph_kept_letter *letter, struct ph_error *error) PH_NODISCARD;

#endif
