#include "certs/registrar/health.h"

#include <limits.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "certs/authority_trust.h"
#include "certs/ca.h"
#include "certs/signer.h"
#include "x509/certificate.h"

struct look {
    struct ph_ca *ca;
    int64_t now_ms;
};

static enum ph_err look_at_beat(const struct look *look, const char *certificate,
    char line[PH_HEALTH_LINE_BYTES], struct ph_error *error)
{
    char client_id[PH_IDENTITY_BYTES];
    struct ph_beat beat;
    enum ph_err err = ph_inventory_last_beat(ph_ca_inventory(look->ca), &beat, error);
    if (err == PH_ERR_NOT_FOUND) {
        ph_error_clear(error);
        return ph_error_set(error, PH_ERR_FAULT,
            "%s: no beat of ph-ca serve: start it, or wait until it has committed",
            ph_ca_dir(look->ca));
    }
    if (err == PH_OK) {
        err = ph_certificate_client_id(certificate, client_id, error);
    }
    return err == PH_OK ? ph_beat_judge(&beat, "ph-ca serve", client_id, look->now_ms, line, error)
                        : err;
}

/* The CA's key is there, is its certificate's, and may issue. */
static enum ph_err look_at_key(
    const struct look *look, const struct ph_authority *authority, struct ph_error *error)
{
    struct ph_signer *signer = NULL;
    if (authority->role != PH_DEVICES || authority->state != PH_AUTHORITY_ACTIVE ||
        authority->revoked) {
        return PH_OK;
    }
    enum ph_err err = ph_signer_open(look->ca, PH_DEVICES,
        authority->tenant[0] != '\0' ? authority->tenant : NULL, look->now_ms, &signer, error);
    ph_signer_close(&signer);
    return err == PH_OK ? PH_OK
                        : ph_error_prefix(error, err, "CA %s cannot issue", authority->name);
}

/* What is wrong with it, NULL: nothing; *at_ms is when. The registrar signs its own after half of
 * their life. An offline root's is an operator's to sign: that one must not have ended. */
static const char *crl_trouble(
    const struct ph_crl_life *life, int64_t now_ms, bool ours, int64_t *at_ms)
{
    enum ph_crl_stage stage = ph_crl_stage(life, now_ms);
    bool ahead = life->this_update_ms > now_ms;
    *at_ms = ahead ? life->this_update_ms : life->next_update_ms;
    if (ahead) {
        return "lets nobody in before its start (check the clock), at";
    }
    if (stage == PH_CRL_FRESH || (stage == PH_CRL_AGEING && !ours)) {
        return NULL;
    }
    return stage == PH_CRL_AGEING ? "ends soon, at" : "has ended, at";
}

static enum ph_err look_at_crl(
    const struct look *look, const struct ph_authority *authority, struct ph_error *error)
{
    char key[PATH_MAX];
    char when[PH_UTC_BYTES];
    struct ph_trust *trust = NULL;
    if (authority->state == PH_AUTHORITY_RETIRED || authority->revoked) {
        return PH_OK;
    }
    enum ph_err err = ph_authority_path(key, ph_ca_dir(look->ca), authority->name, "ca.key", error);
    if (err == PH_OK) {
        err = ph_authority_trust_load(ph_ca_dir(look->ca), authority, true, &trust, error);
    }
    if (err != PH_OK) {
        return ph_error_prefix(error, err, "CRL of %s cannot be read", authority->name);
    }
    const struct ph_crl_life life = ph_trust_crl_life(trust, 0);
    int64_t at_ms = 0;
    bool ours = authority->role != PH_ROOT && ph_path_exists(key);
    const char *trouble = crl_trouble(&life, look->now_ms, ours, &at_ms);
    ph_trust_free(&trust);
    if (trouble == NULL) {
        return PH_OK;
    }
    ph_utc_print(when, at_ms);
    return ph_error_set(error, PH_ERR_FAULT, "CRL of %s %s %s: %s", authority->name, trouble, when,
        ours                         ? "ph-ca serve should have signed it anew; see its log"
        : authority->role == PH_ROOT ? "run ph-ca crl with the root's key"
                                     : "put its ca.key in place and run ph-ca crl");
}

static enum ph_err look_at_authority(
    const struct ph_authority *authority, void *context, struct ph_error *error)
{
    const struct look *look = context;
    enum ph_err err = look_at_key(look, authority, error);
    return err == PH_OK ? look_at_crl(look, authority, error) : err;
}

enum ph_err ph_registrar_health(const struct ph_registrar_config *config, int64_t now_ms,
    char line[PH_HEALTH_LINE_BYTES], struct ph_error *error)
{
    struct look look = {.now_ms = now_ms};
    struct ph_error why = {0};
    enum ph_err err = ph_ca_open_reader(config->ca, &look.ca, &why);
    if (err == PH_OK) {
        err = look_at_beat(&look, config->broker.certificate, line, &why);
    }
    if (err == PH_OK) {
        err = ph_authorities_each(ph_ca_inventory(look.ca), look_at_authority, &look, &why);
    }
    ph_ca_close(&look.ca);
    return err == PH_OK ? PH_OK : ph_error_set(error, PH_ERR_FAULT, "%s", why.message);
}
