#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"

enum { REASON_CESSATION = 5 };

const struct ph_cli_option ph_ca_decommission_options[] = {
    PH_CA_OPTION,
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    PH_CA_ROOT_KEY_OPTION,
    PH_CA_PASSPHRASE_OPTION,
    {0},
};

struct work {
    const char *device; /* as it was given */
    struct ph_identity identity;
    struct ph_ca_actor actor;
    struct ph_inventory_revocation revocation;
    int64_t foreign;  /* certificates from elsewhere, which only a deny-list keeps out */
    int64_t requests; /* that waited to become this device, and are refused */
    bool known;       /* as an expected device */
};

static enum ph_err count_foreign(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    (void)entry;
    (void)error;
    struct work *work = context;
    work->foreign++;
    return PH_OK;
}

static enum ph_err find_foreign(struct ph_ca *ca, struct work *work, struct ph_error *error)
{
    const struct ph_inventory_filter filter = {.issuer = "foreign",
        .holder = work->device,
        .states = PH_STATE_VALID | PH_STATE_NOT_YET_VALID,
        .now_ms = work->revocation.now_ms};
    return ph_inventory_each(ph_ca_inventory(ca), &filter, count_foreign, work, error);
}

/* The requests are collected first: a list is not changed while it is read. */
struct requests {
    const struct ph_identity *identity;
    struct ph_enrolment found;
    bool any;
};

static enum ph_err find_request(
    const struct ph_enrolment *request, void *context, struct ph_error *error)
{
    (void)error;
    struct requests *requests = context;
    bool open = request->state == PH_ENROLMENT_WAITING || request->state == PH_ENROLMENT_APPROVED;
    if (open && strcmp(request->tenant, requests->identity->tenant) == 0 &&
        strcmp(request->kind, requests->identity->kind) == 0 &&
        strcmp(request->name, requests->identity->device) == 0) {
        requests->found = *request;
        requests->any = true;
    }
    return PH_OK;
}

static enum ph_err refuse_requests(struct ph_ca *ca, struct work *work, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    enum ph_err err = PH_OK;
    for (;;) {
        struct requests requests = {.identity = &work->identity};
        err = ph_enrolment_each(inventory, false, find_request, &requests, error);
        if (err != PH_OK || !requests.any) {
            return err;
        }
        struct ph_enrolment *request = &requests.found;
        request->state = PH_ENROLMENT_REFUSED;
        request->decided_ms = work->revocation.now_ms;
        (void)snprintf(request->who, sizeof request->who, "%s", work->actor.who);
        (void)snprintf(request->why, sizeof request->why, "decommissioned");
        err = ph_enrolment_put(inventory, request, error);
        if (err != PH_OK) {
            return err;
        }
        work->requests++;
    }
}

static enum ph_err forbid(struct ph_ca *ca, struct work *work, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    struct ph_expected expected;
    work->known = ph_expected_find(inventory, &work->identity, &expected, NULL) == PH_OK;
    enum ph_err err = refuse_requests(ca, work, error);
    if (err == PH_OK && !work->known && work->revocation.known == 0 && work->foreign == 0 &&
        work->requests == 0) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: no such device: it has no certificate, is not expected and has not asked; ph-ca "
            "list and ph-ca expected show what is",
            work->device);
    }
    return err == PH_OK ? ph_expected_set(inventory, &work->identity, PH_EXPECTED_FORBIDDEN,
                              work->actor.who, work->actor.why, work->revocation.now_ms, error)
                        : err;
}

static enum ph_err decommission(struct ph_ca *ca, void *context, struct ph_error *error)
{
    struct work *work = context;
    char detail[128];
    enum ph_err err = find_foreign(ca, work, error);
    if (err == PH_OK) {
        err = ph_inventory_revoke_identity(
            ph_ca_inventory(ca), &work->identity, &work->revocation, error);
    }
    if (err == PH_OK) {
        err = forbid(ca, work, error);
    }
    if (err != PH_OK) {
        return err;
    }
    (void)snprintf(detail, sizeof detail,
        "{\"certificates\":%" PRId64 ",\"requests\":%" PRId64 ",\"foreign\":%" PRId64 "}",
        work->revocation.changed, work->requests, work->foreign);
    return ph_ca_record(
        ca, &work->actor, work->revocation.now_ms, "decommission", work->device, detail, error);
}

static void print_remains(const struct work *work)
{
    const char *device = work->device;
    const struct ph_identity *identity = &work->identity;
    printf("What remains of it, and how to remove it:\n");
    if (work->foreign > 0) {
        printf("  certificates  %" PRId64 " made elsewhere, good until the plugin's deny-list has "
               "the line:\n                deny identity %s\n",
            work->foreign, device);
    }
    printf("  readings      ph-ingest query --device %s shows them; its retention_days drops them "
           "with their age\n",
        device);
    printf("  dead letters  ph-ingest dead-letters list --device %s shows them; ph-ingest "
           "dead-letters purge deletes them\n",
        device);
    printf("  last status   retained by the broker: mosquitto_pub -r -n -t ph/v1/%s/%s/%s/status, "
           "as a role that may publish there\n",
        identity->tenant, identity->kind, identity->device);
    printf("  on the device its spool (spool.db), key and certificates: erase them before it is "
           "given away\n");
    printf("  deny-lists    lines with %s, once its certificates have expired\n", device);
    printf("  inventory     its certificates and this act stay, so that it is known what was "
           "issued\n");
}

enum ph_err ph_ca_cmd_decommission(const struct ph_cli *cli, struct ph_error *error)
{
    struct work work = {.device = ph_cli_argument(cli, 0),
        .revocation = {.now_ms = ph_clock_unix_ms(), .reason = REASON_CESSATION}};
    struct ph_ca *ca = NULL;
    enum ph_err err = ph_ca_device_parse(work.device, &work.identity, error);
    if (err == PH_OK) {
        err = ph_ca_actor_read(cli, &work.actor, error);
    }
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_ca_transaction(ca, decommission, &work, error);
    }
    if (err == PH_OK) {
        err = ph_ca_publish_marks(cli, ca, work.revocation.now_ms, "decommissioned", error);
    }
    if (err == PH_OK) {
        printf("%s: %" PRId64 " certificates revoked, %" PRId64 " were before, %" PRId64
               " requests refused; it never enrols again; CRLs signed\n",
            work.device, work.revocation.changed, work.revocation.known - work.revocation.changed,
            work.requests);
        print_remains(&work);
    }
    ph_ca_close(&ca);
    return err;
}
