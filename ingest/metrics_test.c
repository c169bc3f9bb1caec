#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/metrics.h"

static const struct ph_ingest_metrics metrics = {
    .counts = {.messages = 1,
        .unvouched = 2,
        .dropped = 3,
        .stored = 4,
        .duplicates = 5,
        .given_up = 6,
        .misdated = 7,
        .dead_letters = 8,
        .dead_letters_not_kept = 9,
        .held_back = 10,
        .commits = 11,
        .committed_ms = INT64_C(1790000000123),
        .conflicts = 12,
        .acks = 13},
    .connected = true,
    .store_up = false,
    .shed = 100,
    .waiting = 14,
    .lag_ms = 1500,
};

/* [MET-11] Each number under its own name, and every name once. */
static void every_number_has_its_family(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "connected 1",
        "store_up 0",
        "last_commit_timestamp_seconds 1790000000.123",
        "ack_lag_seconds 1.500",
        "queue_messages 14",
        "messages_total 1",
        "readings_stored_total 4",
        "duplicates_total 5",
        "given_up_total 6",
        "misdated_total 7",
        "unvouched_total 2",
        "dead_letters_total{kept=\"yes\"} 8",
        "dead_letters_total{kept=\"no\"} 9",
        "held_back_total 10",
        "dropped_total 103",
        "commits_total 11",
        "conflicts_total 12",
        "acks_total 13",
    };
    struct ph_buf text;
    ph_buf_init(&text, 65536);
    struct ph_exposition out = {.buf = &text};
    ph_ingest_metrics_print(&metrics, &out);
    assert_int_equal(out.err, PH_OK);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char line[128];
        (void)snprintf(line, sizeof line, "\nphonehome_ingest_%s\n", lines[i]);
        const char *found = strstr(text.data, line);
        if (found == NULL || strstr(found + 1, line) != NULL) {
            fail_msg("want once: %s\n%s", line, text.data);
        }
    }
    assert_int_equal(text.data[text.len - 1], '\n');
    ph_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_has_its_family),
    };
    return cmocka_run_group_tests_name("ph.ingest.metrics", tests, NULL, NULL);
}
