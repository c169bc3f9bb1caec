#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "adapters/provenance.h"

#define F16  "0123456789abcdef"
#define F    F16 F16 F16 F16
#define S16  "abcdefghijklmnop"
#define LONG S16 S16 S16 S16
#define OURS "devices:acme/thermostat/t1"

#define FP "ph-fingerprint"
#define ID "ph-identity"

static const struct ph_identity topic = {.tenant = "acme", .kind = "thermostat", .device = "t1"};

struct trial {
    struct ph_mqtt_property properties[PH_MQTT_PROPERTIES_MAX];
    bool incomplete;
    enum ph_provenance_state want;
};

static size_t count_of(const struct trial *trial)
{
    size_t count = 0;
    while (count < PH_MQTT_PROPERTIES_MAX && trial->properties[count].name != NULL) {
        count++;
    }
    return count;
}

static const char *word_of(enum ph_provenance_state state)
{
    const char *reason = ph_provenance_reason(state);
    return reason != NULL ? reason : "vouched";
}

/* [ING-61] [ING-62] */
static void one_good_pair_and_nothing_else_vouches(void **state)
{
    (void)state;
    static const struct trial trials[] = {
        {{{ID, OURS}, {FP, F}}, false, PH_PROVENANCE_VOUCHED},
        {{{FP, F}, {ID, OURS}}, false, PH_PROVENANCE_VOUCHED},
        {{{"ph-other", "x"}, {FP, F}, {ID, OURS}}, false, PH_PROVENANCE_VOUCHED},
        {{{FP, F}, {ID, LONG ":acme/thermostat/t1"}}, false, PH_PROVENANCE_VOUCHED},

        {{{0}}, false, PH_PROVENANCE_MISSING},
        {{{FP, F}}, false, PH_PROVENANCE_MISSING},
        {{{ID, OURS}}, false, PH_PROVENANCE_MISSING},
        {{{"ph-fingerprin", F}, {"ph-fingerprint2", F}, {ID, OURS}}, false, PH_PROVENANCE_MISSING},
        {{{"ph-Fingerprint", F}, {ID, OURS}}, false, PH_PROVENANCE_MISSING},
        {{{"ph-fingerprint ", F}, {ID, OURS}}, false, PH_PROVENANCE_MISSING},

        {{{FP, F}, {FP, F}, {ID, OURS}}, false, PH_PROVENANCE_REPEATED},
        {{{ID, OURS}, {FP, F}, {ID, OURS}}, false, PH_PROVENANCE_REPEATED},
        {{{ID, "x"}, {FP, F}, {ID, OURS}}, false, PH_PROVENANCE_REPEATED},
        {{{FP, ""}, {FP, F}, {ID, OURS}}, false, PH_PROVENANCE_REPEATED},
        {{{FP, F}, {FP, F}}, false, PH_PROVENANCE_REPEATED},
        {{{FP, F}, {FP, F}, {ID, OURS}}, true, PH_PROVENANCE_REPEATED},

        {{{ID, OURS}, {FP, F}}, true, PH_PROVENANCE_MALFORMED},
        {{{0}}, true, PH_PROVENANCE_MALFORMED},
        {{{ID, OURS}, {FP, ""}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, OURS}, {FP, F "0"}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, OURS}, {FP, F " "}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, OURS}, {FP, F16 F16 F16}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, OURS}, {FP, F16 F16 F16 "0123456789ABCDEF"}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, OURS}, {FP, F16 F16 F16 "0123456789abcdeg"}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, OURS}, {FP, F16 F16 F16 "0123456789abcde\n"}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, ""}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, ":acme/thermostat/t1"}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, "acme/thermostat/t1"}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, "device:devices:acme/thermostat/t1"}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, OURS "/"}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, OURS "/x"}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, OURS "\n"}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, "devices:acme/+/t1"}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, "devices:acme/thermostat/"}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, "a b:acme/thermostat/t1"}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},
        {{{ID, LONG "x:acme/thermostat/t1"}, {FP, F}}, false, PH_PROVENANCE_MALFORMED},

        {{{ID, "devices:acme/thermostat/t2"}, {FP, F}}, false, PH_PROVENANCE_OTHER},
        {{{ID, "devices:acme/thermostat/t"}, {FP, F}}, false, PH_PROVENANCE_OTHER},
        {{{ID, "devices:acme/thermostat/T1"}, {FP, F}}, false, PH_PROVENANCE_OTHER},
        {{{ID, "devices:acme/boiler/t1"}, {FP, F}}, false, PH_PROVENANCE_OTHER},
        {{{ID, "devices:other/thermostat/t1"}, {FP, F}}, false, PH_PROVENANCE_OTHER},
    };
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        struct ph_provenance have;
        ph_provenance_read(
            trials[i].properties, count_of(&trials[i]), trials[i].incomplete, &topic, &have);
        if (have.state != trials[i].want) {
            fail_msg("case %zu: want %s, have %s", i, word_of(trials[i].want), word_of(have.state));
        }
        assert_string_equal(have.fingerprint, have.state == PH_PROVENANCE_VOUCHED ? F : "");
        assert_int_equal(have.anchor[0] != '\0', have.state == PH_PROVENANCE_VOUCHED);
    }
}

/* [ING-62] */
static void a_topic_without_identity_is_never_vouched_for(void **state)
{
    (void)state;
    const struct ph_mqtt_property properties[] = {{ID, OURS}, {FP, F}};
    struct ph_provenance have;
    ph_provenance_read(properties, 2, false, NULL, &have);
    assert_int_equal(have.state, PH_PROVENANCE_OTHER);
    ph_provenance_read(NULL, 0, false, NULL, &have);
    assert_int_equal(have.state, PH_PROVENANCE_MISSING);
    assert_string_equal(have.fingerprint, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_good_pair_and_nothing_else_vouches),
        cmocka_unit_test(a_topic_without_identity_is_never_vouched_for),
    };
    return cmocka_run_group_tests_name("ph.adapters.provenance", tests, NULL, NULL);
}
