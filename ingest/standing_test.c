/* ph.ingest.standing: what the service manager shows of a running ingest. */
#include "ingest/standing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect(const struct ph_standing *standing, const char *want)
{
    struct ph_notify notify = {.fd = 0}; /* takes the text; nothing is sent without a turn */
    ph_standing_say(standing, &notify);
    assert_string_equal(notify.status, want);
}

/* [UNIT-4] */
static void the_line_says_what_is_waited_for(void **state)
{
    (void)state;
    struct ph_standing standing = {.host = "b", .port = 8883, .trouble = "", .store_up = true};
    expect(&standing, "Waits for the broker b:8883");
    standing.trouble = "nothing listens there";
    expect(&standing, "Waits for the broker b:8883: nothing listens there");
    standing.connected = true;
    expect(&standing, "Connected, waits for its subscription");
    standing.subscribed = true;
    standing.counts = (struct ph_pipeline_counts){.stored = 7, .duplicates = 2, .dead_letters = 1};
    expect(&standing, "Stores; since the start 7 readings stored, 2 duplicates, 1 dead letters");
    standing.store_up = false;
    standing.waiting = 3;
    expect(&standing, "Waits for the store, with 3 messages unacknowledged; connected");
    standing.connected = false;
    expect(&standing, "Waits for the store, with 3 messages unacknowledged; not connected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_says_what_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
