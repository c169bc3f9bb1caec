/* ph.device.renewal: docs/spec/enrolment.md, when a device renews. */
#include "device/renewal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)

#define BIRTH INT64_C(1790000000000) /* unix: notBefore, and monotonic 0 */
#define LIFE  (90 * DAY)
#define DUE   (60 * DAY) /* monotonic, without jitter */

#define ID_1 "00000000000000000000000000000001"
#define ID_2 "00000000000000000000000000000002"

static const struct ph_renewal_options options = {
    .enabled = true,
    .at = 2.0 / 3,
    .jitter = 0,
    .retry_min_ms = 60 * SECOND,
    .retry_max_ms = INT64_C(16) * 60 * SECOND,
    .answer_ms = 30 * SECOND,
    .state_interval_ms = 6 * HOUR,
    .trials = 3,
    .seed = 42,
};

static struct ph_moment at(int64_t ms)
{
    return (struct ph_moment){
        .monotonic_ms = ms, .boot_ms = ms, .unix_ms = BIRTH + ms, .known = true};
}

static void expect(const struct ph_renewal *renewal, int64_t ms, enum ph_renewal_step step)
{
    struct ph_moment now = at(ms);
    assert_int_equal(ph_renewal_next(renewal, &now), step);
}

/* The first moment from `ms` on at which that step is to be taken; fails beyond `limit_ms`. */
static int64_t when(
    const struct ph_renewal *renewal, int64_t ms, enum ph_renewal_step step, int64_t limit_ms)
{
    for (; ms <= limit_ms; ms += SECOND / 10) {
        struct ph_moment now = at(ms);
        enum ph_renewal_step next = ph_renewal_next(renewal, &now);
        if (next == step) {
            return ms;
        }
        assert_int_equal(next, PH_RENEWAL_REST);
    }
    fail_msg("step %d has not come", (int)step);
    return 0;
}

static void begin(struct ph_renewal *renewal, const struct ph_renewal_options *with, bool have_next)
{
    ph_renewal_init(renewal, with);
    ph_renewal_use(renewal, BIRTH, BIRTH + LIFE, have_next);
}

static void connect_at(struct ph_renewal *renewal, int64_t ms)
{
    struct ph_moment now = at(ms);
    ph_renewal_connected(renewal, &now);
}

static void disconnect_at(struct ph_renewal *renewal, int64_t ms)
{
    struct ph_moment now = at(ms);
    ph_renewal_disconnected(renewal, &now);
}

static void on_at(struct ph_renewal *renewal, bool next, int64_t ms)
{
    struct ph_moment now = at(ms);
    ph_renewal_on(renewal, next, &now);
}

static void send_at(struct ph_renewal *renewal, enum ph_ask_type type, const char *id, int64_t ms)
{
    struct ph_moment now = at(ms);
    struct ph_ask ask = {.type = type};
    (void)snprintf(ask.id, sizeof ask.id, "%s", id);
    ph_renewal_sent(renewal, &ask, &now);
}

static bool answer_at(struct ph_renewal *renewal, enum ph_answer_type type, const char *id,
    int64_t number, int64_t ms)
{
    struct ph_moment now = at(ms);
    struct ph_answer answer = {.type = type};
    (void)snprintf(answer.id, sizeof answer.id, "%s", id);
    if (type == PH_ANSWER_WAIT || type == PH_ANSWER_REFUSED) {
        answer.retry_s = number;
    } else {
        answer.renew_ms = number;
    }
    return ph_renewal_answer(renewal, &answer, &now);
}

static void failed_at(struct ph_renewal *renewal, enum ph_renewal_step step, int64_t ms)
{
    struct ph_moment now = at(ms);
    ph_renewal_failed(renewal, step, &now);
}

static void stored_at(struct ph_renewal *renewal, int64_t ms)
{
    struct ph_moment now = at(ms);
    ph_renewal_stored(renewal, &now);
}

/* Connected, its state said and answered: at rest until the certificate is due. */
static void begin_settled(struct ph_renewal *renewal, const struct ph_renewal_options *with)
{
    static struct ph_renewal_options rare;
    rare = *with;
    rare.state_interval_ms = 1000 * DAY; /* out of the way */
    begin(renewal, &rare, false);
    connect_at(renewal, 0);
    expect(renewal, 0, PH_RENEWAL_STATE);
    send_at(renewal, PH_ASK_STATE, ID_1, 0);
    assert_true(answer_at(renewal, PH_ANSWER_STATE, ID_1, 0, 1));
}

/* ---- when it is due ---- */

/* [RENEW-1] */
static void due_at_its_share_of_life(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_settled(&renewal, &options);
    assert_true(renewal.due_ms >= BIRTH + DUE - 1 && renewal.due_ms <= BIRTH + DUE);
    expect(&renewal, DUE - 2, PH_RENEWAL_REST);
    expect(&renewal, DUE, PH_RENEWAL_REQUEST);
    expect(&renewal, DUE + DAY, PH_RENEWAL_REQUEST);
}

/* [RENEW-1] */
static void jitter_has_bounds_and_stays(void **state)
{
    (void)state;
    struct ph_renewal_options with = options;
    struct ph_renewal renewal;
    int64_t low = INT64_MAX;
    int64_t high = 0;
    int64_t sum = 0;
    with.jitter = 0.05;
    for (with.seed = 1; with.seed <= 2000; with.seed++) {
        begin(&renewal, &with, false);
        int64_t due = renewal.due_ms - BIRTH;
        low = due < low ? due : low;
        high = due > high ? due : high;
        sum += due / 2000;
        begin(&renewal, &with, false); /* after a restart */
        assert_true(renewal.due_ms - BIRTH == due);
    }
    assert_true(low >= (int64_t)((double)LIFE * (2.0 / 3 - 0.05)) - 1);
    assert_true(high <= (int64_t)((double)LIFE * (2.0 / 3 + 0.05)));
    assert_true(high - low > LIFE / 11); /* of the tenth that it may be spread over */
    assert_true(sum > DUE - DAY / 4 && sum < DUE + DAY / 4);
}

/* [RENEW-2] */
static void the_registrar_has_the_last_word(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_settled(&renewal, &options);
    send_at(&renewal, PH_ASK_STATE, ID_2, 2);
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_2, BIRTH + 5 * DAY, 3));
    expect(&renewal, 5 * DAY - 1, PH_RENEWAL_REST);
    expect(&renewal, 5 * DAY, PH_RENEWAL_REQUEST);

    send_at(&renewal, PH_ASK_STATE, ID_2, 4); /* and later than by its own options */
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_2, BIRTH + 80 * DAY, 5));
    expect(&renewal, 80 * DAY - 1, PH_RENEWAL_REST);
    expect(&renewal, 80 * DAY, PH_RENEWAL_REQUEST);

    send_at(&renewal, PH_ASK_STATE, ID_2, 6); /* but not later than it lives */
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_2, BIRTH + 1000 * DAY, 7));
    expect(&renewal, LIFE, PH_RENEWAL_REQUEST);

    send_at(&renewal, PH_ASK_STATE, ID_2, 8); /* not said: stays */
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_2, 0, 9));
    expect(&renewal, LIFE - 1, PH_RENEWAL_REST);
}

/* [RENEW-3] */
static void without_the_time_no_date_counts(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_settled(&renewal, &options);
    struct ph_moment now = at(DUE + DAY);
    now.known = false;
    assert_int_equal(ph_renewal_next(&renewal, &now), PH_RENEWAL_REST);
    now.known = true;
    assert_int_equal(ph_renewal_next(&renewal, &now), PH_RENEWAL_REQUEST);
}

/* [RENEW-4] */
static void expired_asks_at_once(void **state)
{
    (void)state;
    struct ph_renewal_options with = options;
    struct ph_renewal renewal;
    with.at = 3; /* by which it would be due long after */
    begin(&renewal, &with, false);
    connect_at(&renewal, LIFE + 1);
    expect(&renewal, LIFE + 1, PH_RENEWAL_STATE);
    send_at(&renewal, PH_ASK_STATE, ID_1, LIFE + 1);
    expect(&renewal, LIFE + 1, PH_RENEWAL_REQUEST);
}

/* [RENEW-5] */
static void disabled_is_at_rest(void **state)
{
    (void)state;
    struct ph_renewal_options with = options;
    struct ph_renewal renewal;
    with.enabled = false;
    begin(&renewal, &with, true);
    connect_at(&renewal, 0);
    expect(&renewal, 0, PH_RENEWAL_REST);
    expect(&renewal, LIFE + DAY, PH_RENEWAL_REST);
}

/* ---- requests and their answers ---- */

/* [RENEW-7] Without an answer: 30 s for it, then 1 to 2, 2 to 4, 4 to 8, 8 to 16, 8 to 16 minutes.
 */
static void backs_off_without_answers(void **state)
{
    (void)state;
    static const int64_t minutes[][2] = {{1, 2}, {2, 4}, {4, 8}, {8, 16}, {8, 16}, {8, 16}};
    int64_t different = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct ph_renewal_options with = options;
        struct ph_renewal renewal;
        with.seed = seed;
        begin_settled(&renewal, &with);
        int64_t now = DUE;
        for (size_t i = 0; i < sizeof minutes / sizeof minutes[0]; i++) {
            send_at(&renewal, PH_ASK_RENEW, ID_1, now);
            int64_t again = when(&renewal, now, PH_RENEWAL_REQUEST, now + HOUR);
            int64_t waited = again - now - options.answer_ms;
            assert_true(waited >= minutes[i][0] * 60 * SECOND);
            assert_true(waited <= minutes[i][1] * 60 * SECOND + SECOND / 10);
            different += waited % (60 * SECOND) != 0;
            now = again;
        }
    }
    assert_true(different > 100); /* of 120 */
}

/* [RENEW-7] */
static void a_request_that_fails_here_backs_off_too(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_settled(&renewal, &options);
    failed_at(&renewal, PH_RENEWAL_REQUEST, DUE);
    int64_t again = when(&renewal, DUE, PH_RENEWAL_REQUEST, DUE + HOUR);
    assert_true(again >= DUE + 60 * SECOND && again <= DUE + 121 * SECOND);
    failed_at(&renewal, PH_RENEWAL_REQUEST, again);
    int64_t third = when(&renewal, again, PH_RENEWAL_REQUEST, again + HOUR);
    assert_true(third >= again + 120 * SECOND && third <= again + 241 * SECOND);
}

/* [RENEW-8] */
static void retry_is_as_it_was_said(void **state)
{
    (void)state;
    static const enum ph_answer_type types[] = {PH_ANSWER_WAIT, PH_ANSWER_REFUSED};
    static const int64_t seconds[] = {1, 7200, INT64_C(2) * 86400};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < 3; i++) {
            struct ph_renewal renewal;
            begin_settled(&renewal, &options);
            send_at(&renewal, PH_ASK_RENEW, ID_1, DUE);
            assert_true(answer_at(&renewal, types[t], ID_1, seconds[i], DUE + 10));
            int64_t earliest = DUE + 10 + seconds[i] * SECOND;
            int64_t again = when(&renewal, DUE + 10, PH_RENEWAL_REQUEST, earliest + HOUR);
            assert_true(again >= earliest && again <= earliest + 61 * SECOND);
        }
    }
    struct ph_renewal renewal; /* the longest that can be said does not overflow */
    begin_settled(&renewal, &options);
    send_at(&renewal, PH_ASK_RENEW, ID_1, DUE);
    assert_true(answer_at(&renewal, PH_ANSWER_REFUSED, ID_1, INT32_MAX, DUE + 10));
    expect(&renewal, LIFE, PH_RENEWAL_REST);
}

/* [RENEW-9] */
static void only_the_answer_to_the_question_counts(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_settled(&renewal, &options);
    assert_false(answer_at(&renewal, PH_ANSWER_CERTIFICATE, ID_1, 0, DUE)); /* nothing asked */
    assert_false(answer_at(&renewal, PH_ANSWER_CERTIFICATE, "", 0, DUE));
    assert_false(answer_at(&renewal, PH_ANSWER_STATE, "", BIRTH, DUE));
    assert_false(answer_at(&renewal, PH_ANSWER_WAIT, "", 1, DUE));
    send_at(&renewal, PH_ASK_RENEW, ID_1, DUE);
    assert_false(answer_at(&renewal, PH_ANSWER_CERTIFICATE, ID_2, 0, DUE));
    assert_false(answer_at(&renewal, PH_ANSWER_REFUSED, ID_2, 9, DUE));
    assert_false(answer_at(&renewal, PH_ANSWER_STATE, ID_1, BIRTH, DUE)); /* another question's */
    assert_false(answer_at(&renewal, PH_ANSWER_TIME, ID_1, 0, DUE));
    assert_true(renewal.due_ms > BIRTH);
    assert_true(answer_at(&renewal, PH_ANSWER_CERTIFICATE, ID_1, 0, DUE + 5));
    assert_false(answer_at(&renewal, PH_ANSWER_CERTIFICATE, ID_1, 0, DUE + 6)); /* twice */
}

/* [RENEW-9] A state and a request may be under way at once, each with its answer. */
static void two_questions_have_two_answers(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin(&renewal, &options, false);
    connect_at(&renewal, DUE);
    send_at(&renewal, PH_ASK_STATE, ID_1, DUE);
    send_at(&renewal, PH_ASK_RENEW, ID_2, DUE);
    assert_false(answer_at(&renewal, PH_ANSWER_CERTIFICATE, ID_1, 0, DUE + 1));
    assert_false(answer_at(&renewal, PH_ANSWER_STATE, ID_2, 0, DUE + 1));
    assert_true(answer_at(&renewal, PH_ANSWER_CERTIFICATE, ID_2, 0, DUE + 2));
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_1, 0, DUE + 3));
}

/* [RENEW-9] An answer may come late, even over another connection, until another request was made.
 */
static void a_late_answer_is_taken(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_settled(&renewal, &options);
    send_at(&renewal, PH_ASK_RENEW, ID_1, DUE);
    disconnect_at(&renewal, DUE + 10);
    connect_at(&renewal, DUE + 5 * SECOND);
    assert_true(answer_at(&renewal, PH_ANSWER_CERTIFICATE, ID_1, 0, DUE + 50 * SECOND));
    send_at(&renewal, PH_ASK_RENEW, ID_1, DUE + 100 * SECOND);
    send_at(&renewal, PH_ASK_RENEW, ID_2, DUE + HOUR);
    assert_false(answer_at(&renewal, PH_ANSWER_CERTIFICATE, ID_1, 0, DUE + HOUR));
    assert_true(answer_at(&renewal, PH_ANSWER_CERTIFICATE, ID_2, 0, DUE + HOUR));
}

/* [RENEW-7] An answer that is lost, or a certificate that cannot be stored: asked again. */
static void a_lost_certificate_is_asked_for_again(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_settled(&renewal, &options);
    send_at(&renewal, PH_ASK_RENEW, ID_1, DUE);
    assert_true(answer_at(&renewal, PH_ANSWER_CERTIFICATE, ID_1, 0, DUE + 5));
    failed_at(&renewal, PH_RENEWAL_REQUEST, DUE + 6);
    int64_t again = when(&renewal, DUE + 6, PH_RENEWAL_REQUEST, DUE + HOUR);
    assert_true(again > DUE + 6 + 120 * SECOND); /* the second failure in a row */
    disconnect_at(&renewal, again);
    expect(&renewal, again + DAY, PH_RENEWAL_REST); /* not without a connection */
    connect_at(&renewal, again + DAY);
    expect(&renewal, again + DAY, PH_RENEWAL_STATE);
    send_at(&renewal, PH_ASK_STATE, ID_2, again + DAY);
    expect(&renewal, again + DAY, PH_RENEWAL_REQUEST);
}

/* ---- the state ---- */

/* [RENEW-10] */
static void the_state_is_said_on_every_connection(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin(&renewal, &options, false);
    expect(&renewal, 0, PH_RENEWAL_REST);
    for (int64_t now = 0; now < 5 * SECOND; now += SECOND) {
        connect_at(&renewal, now);
        expect(&renewal, now, PH_RENEWAL_STATE);
        send_at(&renewal, PH_ASK_STATE, ID_1, now);
        expect(&renewal, now, PH_RENEWAL_REST);
        disconnect_at(&renewal, now);
        expect(&renewal, now, PH_RENEWAL_REST);
    }
}

/* [LIFE-17] one that was cut off by the end of its connection is not missed */
static void silence_is_noticed(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin(&renewal, &options, false);
    connect_at(&renewal, 0);
    assert_false(ph_renewal_unanswered(&renewal, PH_RENEWAL_STATE));
    send_at(&renewal, PH_ASK_STATE, ID_1, 0);
    assert_true(ph_renewal_unanswered(&renewal, PH_RENEWAL_STATE));
    disconnect_at(&renewal, SECOND);
    connect_at(&renewal, 2 * SECOND);
    assert_false(ph_renewal_unanswered(&renewal, PH_RENEWAL_STATE));
    send_at(&renewal, PH_ASK_STATE, ID_2, 2 * SECOND);
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_2, 0, 3 * SECOND));
    assert_false(ph_renewal_unanswered(&renewal, PH_RENEWAL_STATE));
    send_at(&renewal, PH_ASK_RENEW, ID_1, DUE);
    assert_true(ph_renewal_unanswered(&renewal, PH_RENEWAL_REQUEST));
    assert_true(answer_at(&renewal, PH_ANSWER_REFUSED, ID_1, 60, DUE));
    assert_false(ph_renewal_unanswered(&renewal, PH_RENEWAL_REQUEST));
}

/* [RENEW-10] */
static void the_state_is_said_again(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin(&renewal, &options, false);
    connect_at(&renewal, 0);
    send_at(&renewal, PH_ASK_STATE, ID_1, 0);
    int64_t again = when(&renewal, 0, PH_RENEWAL_STATE, HOUR); /* no answer */
    assert_true(again >= 90 * SECOND && again <= 151 * SECOND);
    failed_at(&renewal, PH_RENEWAL_STATE, again); /* could not be sent */
    again = when(&renewal, again, PH_RENEWAL_STATE, HOUR);
    send_at(&renewal, PH_ASK_STATE, ID_2, again);
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_2, 0, again));
    int64_t later = when(&renewal, again, PH_RENEWAL_STATE, DAY); /* and for good measure */
    assert_true(later - again >= 6 * HOUR * 9 / 10 && later - again <= 6 * HOUR * 11 / 10 + SECOND);
    send_at(&renewal, PH_ASK_STATE, ID_1, later);
    assert_true(answer_at(&renewal, PH_ANSWER_REFUSED, ID_1, 1800, later));
    int64_t last = when(&renewal, later, PH_RENEWAL_STATE, DAY);
    assert_true(last - later >= HOUR / 2 && last - later <= HOUR / 2 + 61 * SECOND);
}

/* ---- trials ---- */

static void begin_stored(struct ph_renewal *renewal)
{
    begin_settled(renewal, &options);
    send_at(renewal, PH_ASK_RENEW, ID_1, DUE);
    assert_true(answer_at(renewal, PH_ANSWER_CERTIFICATE, ID_1, BIRTH + 100 * DAY, DUE));
    stored_at(renewal, DUE);
}

/* [RENEW-11] [RENEW-12] [RENEW-2] */
static void a_good_trial_is_promoted_and_confirmed(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_stored(&renewal);
    expect(&renewal, DUE, PH_RENEWAL_TRY);
    on_at(&renewal, true, DUE);
    expect(&renewal, DUE + 1, PH_RENEWAL_REST);
    connect_at(&renewal, DUE + 2);
    expect(&renewal, DUE + 2, PH_RENEWAL_PROMOTE); /* before any state */
    disconnect_at(&renewal, DUE + 3);
    expect(&renewal, DUE + 3, PH_RENEWAL_PROMOTE); /* it was proven all the same */
    connect_at(&renewal, DUE + 4);
    ph_renewal_use(&renewal, BIRTH + DUE, BIRTH + DUE + LIFE, false);
    expect(&renewal, DUE + 5, PH_RENEWAL_STATE);
    send_at(&renewal, PH_ASK_STATE, ID_2, DUE + 5);
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_2, 0, DUE + 6));
    assert_true(renewal.due_ms == BIRTH + 100 * DAY); /* as the certificate's answer said */
    expect(&renewal, 100 * DAY - 1, PH_RENEWAL_REST);
    expect(&renewal, 100 * DAY, PH_RENEWAL_REQUEST);
}

/* [RENEW-6] A registrar that wants everything renewed at once gets no flood. */
static void renewals_in_a_row_are_paced(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_stored(&renewal);
    on_at(&renewal, true, DUE);
    connect_at(&renewal, DUE);
    ph_renewal_use(&renewal, BIRTH + DUE, BIRTH + DUE + LIFE, false);
    send_at(&renewal, PH_ASK_STATE, ID_2, DUE);
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_2, BIRTH, DUE));
    int64_t again = when(&renewal, DUE, PH_RENEWAL_REQUEST, DUE + HOUR);
    assert_true(again >= DUE + 60 * SECOND);
}

/* [RENEW-12] */
static void a_promotion_that_fails_is_tried_again(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_stored(&renewal);
    on_at(&renewal, true, DUE);
    connect_at(&renewal, DUE);
    failed_at(&renewal, PH_RENEWAL_PROMOTE, DUE);
    expect(&renewal, DUE + 1, PH_RENEWAL_REST); /* the connection stays, and no state is said */
    int64_t again = when(&renewal, DUE, PH_RENEWAL_PROMOTE, DUE + HOUR);
    assert_true(again >= DUE + 60 * SECOND);
    failed_at(&renewal, PH_RENEWAL_PROMOTE, again);
    disconnect_at(&renewal, again + 1); /* the connection is lost: the client tries again */
    expect(&renewal, again + 2, PH_RENEWAL_REST);
    disconnect_at(&renewal, again + 3); /* and fails */
    expect(&renewal, again + 3, PH_RENEWAL_BACK);
    connect_at(&renewal, again + 4); /* or not */
    expect(&renewal, again + 4, PH_RENEWAL_REST);
    (void)when(&renewal, again + 4, PH_RENEWAL_PROMOTE, again + HOUR);
}

/* [RENEW-13] */
static void trials_that_fail_end_in_a_new_beginning(void **state)
{
    (void)state;
    static const int64_t minutes[][2] = {{1, 2}, {2, 4}};
    struct ph_renewal renewal;
    int64_t now = DUE;
    begin_stored(&renewal);
    for (int trial = 0; trial < 3; trial++) {
        expect(&renewal, now, PH_RENEWAL_TRY);
        on_at(&renewal, true, now);
        disconnect_at(&renewal, now + 1);
        expect(&renewal, now + 1, PH_RENEWAL_BACK);
        on_at(&renewal, false, now + 1);
        expect(&renewal, now + 2, PH_RENEWAL_REST);
        connect_at(&renewal, now + 2);
        if (trial < 2) {
            expect(&renewal, now + 3, PH_RENEWAL_STATE); /* life goes on meanwhile */
            send_at(&renewal, PH_ASK_STATE, ID_1, now + 3);
            assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_1, 0, now + 3));
            int64_t again = when(&renewal, now + 3, PH_RENEWAL_TRY, now + HOUR);
            assert_true(again - now - 2 >= minutes[trial][0] * 60 * SECOND);
            assert_true(again - now - 3 <= minutes[trial][1] * 60 * SECOND + SECOND / 10);
            now = again;
        }
    }
    expect(&renewal, now + 3, PH_RENEWAL_DROP);
    failed_at(&renewal, PH_RENEWAL_DROP, now + 3); /* the disk */
    expect(&renewal, now + 3, PH_RENEWAL_STATE);
    send_at(&renewal, PH_ASK_STATE, ID_1, now + 3);
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_1, 0, now + 3));
    now = when(&renewal, now + 3, PH_RENEWAL_DROP, now + HOUR);
    ph_renewal_use(&renewal, BIRTH, BIRTH + LIFE, false);
    expect(&renewal, now, PH_RENEWAL_STATE);
    send_at(&renewal, PH_ASK_STATE, ID_1, now);
    assert_true(answer_at(&renewal, PH_ANSWER_STATE, ID_1, 0, now));
    (void)when(&renewal, now, PH_RENEWAL_REQUEST, now + HOUR);
}

/* [RENEW-14] */
static void without_a_network_no_trial_has_failed(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    int64_t now = DUE;
    begin_stored(&renewal);
    for (int round = 0; round < 100; round++) { /* they take turns */
        expect(&renewal, now, PH_RENEWAL_TRY);
        on_at(&renewal, true, now);
        disconnect_at(&renewal, now + 1);
        expect(&renewal, now + 1, PH_RENEWAL_BACK);
        on_at(&renewal, false, now + 1);
        disconnect_at(&renewal, now + 2);
        disconnect_at(&renewal, now + 3);
        int64_t again = when(&renewal, now + 3, PH_RENEWAL_TRY, now + HOUR);
        int64_t least = (round < 3 ? INT64_C(1) << round : 8) * 60 * SECOND;
        assert_true(again - now - 1 >= least && again - now - 1 <= 2 * least + SECOND);
        now = again;
    }
    assert_int_equal(renewal.failures, 0);
    on_at(&renewal, true, now);
    connect_at(&renewal, now + 1);
    expect(&renewal, now + 1, PH_RENEWAL_PROMOTE);
    disconnect_at(&renewal, now + 2); /* before it was promoted: it begins again, from the start */
    disconnect_at(&renewal, now + 3);
    failed_at(&renewal, PH_RENEWAL_PROMOTE, now + 3);
    expect(&renewal, now + 3, PH_RENEWAL_BACK);
    on_at(&renewal, false, now + 3);
    int64_t again = when(&renewal, now + 3, PH_RENEWAL_TRY, now + HOUR);
    assert_true(again - now - 3 >= 60 * SECOND && again - now - 3 <= 121 * SECOND);
}

/* [RENEW-14] One outage is one failure at most, however often the current pair connects. */
static void an_outage_counts_once(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_stored(&renewal);
    on_at(&renewal, true, DUE);
    disconnect_at(&renewal, DUE);
    on_at(&renewal, false, DUE);
    for (int i = 0; i < 10; i++) {
        connect_at(&renewal, DUE + 1);
        disconnect_at(&renewal, DUE + 2);
    }
    assert_int_equal(renewal.failures, 1);
}

/* [RENEW-13] A trial about which nothing is heard has an end. */
static void a_silent_trial_ends(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_stored(&renewal);
    on_at(&renewal, true, DUE);
    expect(&renewal, DUE + options.answer_ms - 1, PH_RENEWAL_REST);
    expect(&renewal, DUE + options.answer_ms, PH_RENEWAL_BACK);
    failed_at(&renewal, PH_RENEWAL_BACK, DUE + options.answer_ms);
    expect(&renewal, DUE + options.answer_ms, PH_RENEWAL_REST);
    int64_t again = when(&renewal, DUE + options.answer_ms, PH_RENEWAL_BACK, DUE + HOUR);
    on_at(&renewal, false, again);
    connect_at(&renewal, again);
    expect(&renewal, again, PH_RENEWAL_STATE);
}

static void a_trial_that_cannot_begin_is_put_off(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin_stored(&renewal);
    failed_at(&renewal, PH_RENEWAL_TRY, DUE);
    int64_t again = when(&renewal, DUE, PH_RENEWAL_TRY, DUE + HOUR);
    assert_true(again >= DUE + 60 * SECOND);
    assert_int_equal(renewal.failures, 0);
}

/* [RENEW-15] */
static void a_stored_pair_is_tried_after_a_restart(void **state)
{
    (void)state;
    struct ph_renewal renewal;
    begin(&renewal, &options, true);
    expect(&renewal, 0, PH_RENEWAL_TRY); /* also when the current one has expired */
    expect(&renewal, LIFE + DAY, PH_RENEWAL_TRY);
    struct ph_moment now = at(0);
    now.known = false; /* and when the time is not known */
    assert_int_equal(ph_renewal_next(&renewal, &now), PH_RENEWAL_TRY);
    on_at(&renewal, true, 0);
    connect_at(&renewal, 1);
    expect(&renewal, 1, PH_RENEWAL_PROMOTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_at_its_share_of_life),
        cmocka_unit_test(jitter_has_bounds_and_stays),
        cmocka_unit_test(the_registrar_has_the_last_word),
        cmocka_unit_test(without_the_time_no_date_counts),
        cmocka_unit_test(expired_asks_at_once),
        cmocka_unit_test(disabled_is_at_rest),
        cmocka_unit_test(backs_off_without_answers),
        cmocka_unit_test(a_request_that_fails_here_backs_off_too),
        cmocka_unit_test(retry_is_as_it_was_said),
        cmocka_unit_test(only_the_answer_to_the_question_counts),
        cmocka_unit_test(two_questions_have_two_answers),
        cmocka_unit_test(a_late_answer_is_taken),
        cmocka_unit_test(a_lost_certificate_is_asked_for_again),
        cmocka_unit_test(the_state_is_said_on_every_connection),
        cmocka_unit_test(silence_is_noticed),
        cmocka_unit_test(the_state_is_said_again),
        cmocka_unit_test(a_good_trial_is_promoted_and_confirmed),
        cmocka_unit_test(renewals_in_a_row_are_paced),
        cmocka_unit_test(a_promotion_that_fails_is_tried_again),
        cmocka_unit_test(trials_that_fail_end_in_a_new_beginning),
        cmocka_unit_test(without_a_network_no_trial_has_failed),
        cmocka_unit_test(an_outage_counts_once),
        cmocka_unit_test(a_silent_trial_ends),
        cmocka_unit_test(a_trial_that_cannot_begin_is_put_off),
        cmocka_unit_test(a_stored_pair_is_tried_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
