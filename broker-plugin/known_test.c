/* A certificate that comes again is not verified again, and nothing is let in by that. [PLG-2]
 * [PLG-33] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker-plugin/fleet_fixture.h"
#include "x509/trust.h"

typedef enum ph_err check_function(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, int64_t now_ms, struct ph_voucher *voucher, enum ph_chain_fault *fault,
    struct ph_error *error);
check_function real_check __asm__("__real_ph_trust_check");
check_function wrap_check __asm__("__wrap_ph_trust_check");

static struct fleet fleet;
static struct fleet_device device;
static int checks;

enum ph_err wrap_check(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, int64_t now_ms, struct ph_voucher *voucher, enum ph_chain_fault *fault,
    struct ph_error *error)
{
    checks++;
    return real_check(trust, leaf, usage, now_ms, voucher, fault, error);
}

static int set_up(void **state)
{
    (void)state;
    fleet_init(&fleet);
    fleet_issue(&fleet, &device, FLEET_DEVICES, "acme", "t-1", FLEET_NOW_MS + 2 * FLEET_DAY_MS);
    fleet_open(&fleet);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fleet_device_fini(&device);
    fleet_fini(&fleet);
    return 0;
}

/* Connects once more; the chain is verified in full so many times. */
static void assert_connect(struct fleet_device *who, enum ph_verdict verdict, int full_checks)
{
    checks = 0;
    assert_int_equal(fleet_connect(&fleet, who), verdict);
    assert_int_equal(checks, full_checks);
    fleet_end(&fleet, who);
}

static void the_same_certificate_is_known(void **state)
{
    (void)state;
    assert_connect(&device, PH_ADMIT, 1);
    assert_connect(&device, PH_ADMIT, 0);
    assert_connect(&device, PH_ADMIT, 0);
}

static void another_certificate_of_the_identity_is_not(void **state)
{
    (void)state;
    struct fleet_device renewed = {0};
    fleet_renew(&fleet, &renewed, &device, FLEET_DEVICES, "acme", "t-1");
    assert_connect(&device, PH_ADMIT, 1);
    assert_connect(&renewed, PH_ADMIT, 1);
    assert_connect(&device, PH_ADMIT, 1);
    fleet_device_fini(&renewed);
}

static void a_newly_loaded_anchor_asks_anew(void **state)
{
    (void)state;
    assert_connect(&device, PH_ADMIT, 1);
    fleet_write_crl(&fleet, FLEET_DEVICES, FLEET_NOW_MS + 7 * FLEET_DAY_MS);
    fleet_reload(&fleet);
    assert_connect(&device, PH_ADMIT, 1);
    assert_connect(&device, PH_ADMIT, 0);
    fleet_write(&fleet, FLEET_DENY, "# another list, the same anchor\n");
    fleet_reload(&fleet);
    assert_connect(&device, PH_ADMIT, 0);
}

static void revoked_or_denied_it_is_refused(void **state)
{
    (void)state;
    assert_connect(&device, PH_ADMIT, 1);
    fleet_write(&fleet, FLEET_DENY, "deny identity acme/thermostat/t-1\n");
    fleet_reload(&fleet);
    assert_connect(&device, PH_REFUSE, 1);
    fleet_write(&fleet, FLEET_DENY, "# nobody\n");
    fleet_reload(&fleet);
    assert_connect(&device, PH_ADMIT, 1);
    fleet_revoke(&fleet, FLEET_DEVICES, device.facts.serial);
    fleet_reload(&fleet);
    assert_connect(&device, PH_REFUSE, 1);
    assert_true(fleet_logged("revoked by its CA"));
}

/* [PLG-2] the same CA under two anchors, of which only the first has its CRL */
static void revoked_by_one_anchor_is_final(void **state)
{
    (void)state;
    static const char anchors[] = "anchors:\n"
                                  "  - {name: devices, ca: [root.pem, devices.pem],\n"
                                  "     crl: [root.crl, devices.crl], kinds: [thermostat]}\n"
                                  "  - {name: lenient, ca: [root.pem, devices.pem],\n"
                                  "     crl_required: false, kinds: [boiler]}\n";
    static const char roles[] = "roles:\n"
                                "  - {name: device, match: {anchor: devices}}\n"
                                "  - {name: other, match: {anchor: lenient}}\n";
    fleet_write_policy(&fleet, anchors, roles);
    fleet_reload(&fleet);
    assert_connect(&device, PH_ADMIT, 1);
    fleet_revoke(&fleet, FLEET_DEVICES, device.facts.serial);
    fleet_reload(&fleet);
    assert_connect(&device, PH_REFUSE, 1);
    assert_true(fleet_logged("revoked by its CA"));
}

static void time_is_asked_each_time(void **state)
{
    (void)state;
    assert_connect(&device, PH_ADMIT, 1);
    fleet.now_ms -= 30 * FLEET_DAY_MS; /* before it was valid */
    assert_connect(&device, PH_REFUSE, 1);
    assert_true(fleet_logged("not yet valid"));
    fleet.now_ms = FLEET_NOW_MS + 2 * FLEET_DAY_MS;
    assert_connect(&device, PH_REFUSE, 1);
    assert_true(fleet_logged("expired at"));
}

static void an_expired_crl_asks_anew(void **state)
{
    (void)state;
    fleet_write_crl(&fleet, FLEET_DEVICES, FLEET_NOW_MS + FLEET_HOUR_MS);
    fleet_reload(&fleet);
    assert_connect(&device, PH_ADMIT, 1);
    fleet.now_ms = FLEET_NOW_MS + FLEET_HOUR_MS + FLEET_DAY_MS; /* past any grace of the policy */
    checks = 0;
    (void)fleet_connect(&fleet, &device);
    assert_int_equal(checks, 1);
}

/* [PLG-42] many holders of one claim come with its one certificate */
static void all_connections_of_an_identity_know_it(void **state)
{
    (void)state;
    static const char roles[] = "roles:\n"
                                "  - name: claim\n"
                                "    match: {anchor: devices, kind: thermostat}\n"
                                "    client_id: '{tenant}/{device}/*'\n";
    struct fleet_device holders[3];
    fleet_write_policy(&fleet, NULL, roles);
    fleet_reload(&fleet);
    for (int i = 0; i < 3; i++) {
        holders[i] = device;
        (void)snprintf(holders[i].client_id, sizeof holders[i].client_id, "acme/t-1/holder-%d", i);
        assert_connect(&holders[i], PH_ADMIT, i == 0 ? 1 : 0);
    }
    fleet_revoke(&fleet, FLEET_DEVICES, device.facts.serial);
    fleet_reload(&fleet);
    assert_connect(&holders[1], PH_REFUSE, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_certificate_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            another_certificate_of_the_identity_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_newly_loaded_anchor_asks_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(revoked_or_denied_it_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(revoked_by_one_anchor_is_final, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_is_asked_each_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_expired_crl_asks_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_connections_of_an_identity_know_it, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("ph.broker.known", tests, NULL, NULL);
}
