/* Any bytes: no crash; what is admitted can be written, reads back, and is written the same again.
 * (A number may be written longer than it came, but nothing that is found here fills a message.) */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/enrolment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void require_same(const struct ph_buf *a, const struct ph_buf *b)
{
    require(a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

static void try_ask(const uint8_t *data, size_t size, struct ph_buf *first, struct ph_buf *second)
{
    struct ph_ask ask;
    struct ph_ask_message *message = NULL;
    struct ph_ask_message *again = NULL;
    if (ph_ask_parse(data, size, &message, &ask, NULL) != PH_OK) {
        return;
    }
    require(ph_ask_encode(&ask, first, NULL) == PH_OK);
    require(ph_ask_parse(first->data, first->len, &again, &ask, NULL) == PH_OK);
    require(ph_ask_encode(&ask, second, NULL) == PH_OK);
    require_same(first, second);
    ph_ask_message_free(&again);
    ph_ask_message_free(&message);
}

static void try_answer(
    const uint8_t *data, size_t size, struct ph_buf *first, struct ph_buf *second)
{
    struct ph_answer answer;
    struct ph_answer_message *message = NULL;
    struct ph_answer_message *again = NULL;
    if (ph_answer_parse(data, size, &message, &answer, NULL) != PH_OK) {
        return;
    }
    require(ph_answer_encode(&answer, first, NULL) == PH_OK);
    require(ph_answer_parse(first->data, first->len, &again, &answer, NULL) == PH_OK);
    require(ph_answer_encode(&answer, second, NULL) == PH_OK);
    require_same(first, second);
    ph_answer_message_free(&again);
    ph_answer_message_free(&message);
}

static void try_time(const uint8_t *data, size_t size, struct ph_buf *first, struct ph_buf *second)
{
    struct ph_time_statement statement;
    if (ph_time_statement_parse(data, size, &statement, NULL) != PH_OK) {
        return;
    }
    require(ph_time_statement_encode(&statement, first, NULL) == PH_OK);
    require(ph_time_statement_parse(first->data, first->len, &statement, NULL) == PH_OK);
    require(ph_time_statement_encode(&statement, second, NULL) == PH_OK);
    require_same(first, second);
}

static void try_trust(const uint8_t *data, size_t size, struct ph_buf *first, struct ph_buf *second)
{
    struct ph_trust_statement statement;
    struct ph_trust_message *message = NULL;
    struct ph_trust_message *again = NULL;
    if (ph_trust_statement_parse(data, size, &message, &statement, NULL) != PH_OK) {
        return;
    }
    require(ph_trust_statement_encode(&statement, first, NULL) == PH_OK);
    require(ph_trust_statement_parse(first->data, first->len, &again, &statement, NULL) == PH_OK);
    require(ph_trust_statement_encode(&statement, second, NULL) == PH_OK);
    require_same(first, second);
    ph_trust_message_free(&again);
    ph_trust_message_free(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(const uint8_t *, size_t, struct ph_buf *, struct ph_buf *) = {
        try_ask, try_answer, try_time, try_trust};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        struct ph_buf first;
        struct ph_buf second;
        ph_buf_init(&first, PH_LIMIT_ANSWER_BYTES);
        ph_buf_init(&second, PH_LIMIT_ANSWER_BYTES);
        tries[i](data, size, &first, &second);
        ph_buf_fini(&first);
        ph_buf_fini(&second);
    }
    return 0;
}
