#include "device/timekeeper.h"

#include <string.h>

#include "x509/signed.h"
#include "x509/tls_time.h"

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

struct ph_moment ph_timekeeper_moment(
    struct ph_timekeeper *keeper, const struct ph_moment *shown, int64_t floor_ms)
{
    struct ph_moment now = *shown;
    now.known = shown->unix_ms >= floor_ms;
    if (!keeper->given) {
        return now;
    }
    int64_t given_ms = keeper->given_ms + (shown->boot_ms - keeper->given_boot_ms);
    if (now.known && distance(given_ms, shown->unix_ms) < PH_TIME_TOLERANCE_MS) {
        keeper->given = false;
        return now;
    }
    now.unix_ms = given_ms;
    now.known = true;
    return now;
}

enum ph_err ph_timekeeper_tls(const struct ph_timekeeper *keeper, const struct ph_moment *now,
    bool unchecked, struct ph_error *error)
{
    enum ph_tls_time mode = keeper->given ? PH_TLS_TIME_GIVEN : PH_TLS_TIME_SYSTEM;
    return ph_tls_time_set(unchecked ? PH_TLS_TIME_NONE : mode, now->unix_ms, error);
}

void ph_timekeeper_asked(struct ph_timekeeper *keeper, const char nonce[PH_ASK_ID_BYTES])
{
    memcpy(keeper->nonce, nonce, sizeof keeper->nonce);
}

void ph_timekeeper_forget(struct ph_timekeeper *keeper)
{
    keeper->nonce[0] = '\0';
}

/* The subject alone: its anchor is the chain to the roots. */
static enum ph_err check_signer(const struct ph_signed *statement, struct ph_error *error)
{
    struct ph_identity signer = {0};
    enum ph_err err = ph_certificate_identity(ph_signed_signer(statement), &signer, error);
    if (err == PH_OK &&
        (strcmp(signer.kind, "service") != 0 || strcmp(signer.device, "registrar") != 0)) {
        err = ph_error_set(error, PH_ERR_DENIED, "signed by %s/%s/%s, which is no registrar",
            signer.tenant, signer.kind, signer.device);
    }
    return err;
}

static enum ph_err check_statement(const struct ph_timekeeper *keeper,
    const struct ph_time_statement *time, const struct ph_time_asker *asker, struct ph_error *error)
{
    if (strcmp(time->device, asker->device) != 0) {
        return ph_error_set(error, PH_ERR_DENIED, "for %s, not for us", time->device);
    }
    if (keeper->nonce[0] == '\0' || strcmp(time->nonce, keeper->nonce) != 0) {
        return ph_error_set(error, PH_ERR_DENIED, "not the answer to our question");
    }
    if (time->time_ms < asker->floor_ms) {
        return ph_error_set(error, PH_ERR_DENIED, "a time from before our certificate was made");
    }
    return PH_OK;
}

static enum ph_err read_token(const struct ph_timekeeper *keeper, const char *token,
    const struct ph_time_asker *asker, int64_t *time_ms, struct ph_error *error)
{
    struct ph_signed *statement = NULL;
    struct ph_time_statement time = {0};
    size_t len = 0;
    enum ph_err err = ph_signed_parse(token, strlen(token), &statement, error);
    if (err == PH_OK) {
        const char *text = ph_signed_text(statement, &len);
        err = ph_time_statement_parse(text, len, &time, error);
    }
    if (err == PH_OK) {
        err = check_statement(keeper, &time, asker, error);
    }
    if (err == PH_OK) {
        err = check_signer(statement, error);
    }
    if (err == PH_OK) {
        err = ph_signed_check_chain(statement, asker->roots, time.time_ms, error);
    }
    ph_signed_free(&statement);
    *time_ms = time.time_ms;
    return err == PH_OK ? err : ph_error_prefix(error, err, "signed time");
}

enum ph_err ph_timekeeper_take(struct ph_timekeeper *keeper, const char *token,
    const struct ph_time_asker *asker, const struct ph_moment *now, bool *adopted,
    struct ph_error *error)
{
    int64_t time_ms = 0;
    *adopted = false;
    enum ph_err err = read_token(keeper, token, asker, &time_ms, error);
    if (err != PH_OK) {
        return err;
    }
    ph_timekeeper_forget(keeper);
    if (!now->known || keeper->given || distance(time_ms, now->unix_ms) > PH_TIME_TOLERANCE_MS) {
        keeper->given = true;
        keeper->given_ms = time_ms;
        keeper->given_boot_ms = now->boot_ms;
        *adopted = true;
    }
    return PH_OK;
}
