/* [LIFE-1] to [LIFE-3] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device/purpose.h"

/* A device as most are: a good certificate, the time known, nothing failed. */
static const struct ph_purpose_facts usual = {.certificate = true, .renewal = true, .known = true};

static void expect(const struct ph_purpose_facts *facts, bool claim, bool time_only, bool next)
{
    struct ph_purpose purpose = ph_purpose_decide(facts);
    assert_int_equal(purpose.claim, claim);
    assert_int_equal(purpose.time_only, time_only);
    assert_int_equal(purpose.next, next);
}

/* [LIFE-1] the claim serves when nothing else can, and only then */
static void test_claim(void **state)
{
    (void)state;
    struct ph_purpose_facts facts = usual;
    expect(&facts, false, false, false);
    facts.claim = true;
    expect(&facts, false, false, false);
    facts.expired = true;
    expect(&facts, true, false, false);
    facts.next = true; /* complete, and about to take its place */
    expect(&facts, false, false, false);
    facts.on_next = true;
    expect(&facts, false, false, true);
    facts = (struct ph_purpose_facts){.claim = true, .known = true};
    expect(&facts, true, false, false);
    facts = usual;
    facts.expired = true; /* without a claim it goes on trying */
    expect(&facts, false, false, false);
}

/* [LIFE-2] unknown time: the question first, then in turns */
static void test_time_unknown(void **state)
{
    (void)state;
    struct ph_purpose_facts facts = usual;
    facts.known = false;
    facts.failures = ph_purpose_patience(false);
    expect(&facts, false, true, false);
    facts.failures = 0;
    expect(&facts, false, false, false);
    facts.failures = 1;
    facts.renewal = false; /* nobody to ask */
    expect(&facts, false, false, false);
    facts.claim = true; /* a claim has somebody */
    facts.certificate = false;
    expect(&facts, true, true, false);
}

/* [LIFE-3] known time: doubted after three failures, but not while a next pair is tried */
static void test_time_doubted(void **state)
{
    (void)state;
    struct ph_purpose_facts facts = usual;
    facts.failures = 2;
    expect(&facts, false, false, false);
    facts.failures = 3;
    expect(&facts, false, true, false);
    facts.next = true;
    facts.on_next = true;
    expect(&facts, false, false, true);
}

/* [LIFE-15] a claim that is no longer good: now and then the device asks for the time as itself */
static void test_expired_by_a_clock_ahead(void **state)
{
    (void)state;
    struct ph_purpose_facts facts = usual;
    facts.claim = true;
    facts.expired = true;
    for (facts.stranded = 0; facts.stranded < 5; facts.stranded++) {
        expect(&facts, true, false, false);
    }
    expect(&facts, false, true, false);
    facts.stranded = 6;
    expect(&facts, true, false, false);
    facts.stranded = 5;
    facts.renewal = false; /* nobody to ask */
    expect(&facts, true, false, false);
    facts = (struct ph_purpose_facts){.claim = true, .renewal = true, .known = true, .stranded = 5};
    expect(&facts, true, false, false); /* without a certificate there is only the claim */
}

/* [LIFE-16] refused as itself: now and then by its claim, as it may be expected anew */
static void test_refused_by_the_broker(void **state)
{
    (void)state;
    struct ph_purpose_facts facts = usual;
    facts.refusals = 3;
    expect(&facts, false, false, false); /* without a claim it goes on trying */
    facts.claim = true;
    for (facts.refusals = 0; facts.refusals < 3; facts.refusals++) {
        expect(&facts, false, false, false);
    }
    expect(&facts, true, false, false);
    facts.refusals = 4;
    expect(&facts, false, false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claim),
        cmocka_unit_test(test_time_unknown),
        cmocka_unit_test(test_time_doubted),
        cmocka_unit_test(test_expired_by_a_clock_ahead),
        cmocka_unit_test(test_refused_by_the_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
