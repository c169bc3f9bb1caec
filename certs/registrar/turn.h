/* One request on its way to its answer. Internal to the registrar. */
#ifndef PH_CERTS_REGISTRAR_TURN_H
#define PH_CERTS_REGISTRAR_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "certs/claims.h"
#include "certs/registrar/registrar.h"
#include "certs/signers.h"
#include "format/enrolment.h"
#include "x509/request.h"

#define PH_REASON_BYTES 257 /* as long as an answer takes */

struct ph_registrar {
    struct ph_ca *ca;
    struct ph_inventory *inventory; /* of the CA */
    const struct ph_registrar_rules *rules;
    struct ph_certificate *certificate; /* its own */
    struct ph_key *key;
    struct ph_buf chain; /* the CAs behind its certificate, PEM */
    struct ph_registrar_counts counts;
    struct ph_registrar_counts counted; /* before the transaction */
    struct ph_log_limit refusals;
    struct ph_log_limit extras; /* of requests that ask for more than they get */
    struct ph_signers *signers; /* NULL: none opened yet */
};

struct ph_turn {
    struct ph_registrar *registrar;
    const struct ph_asker *asker;
    const struct ph_ask *ask;
    char who[PH_IDENTITY_BYTES]; /* the asker, for logs */
    int64_t now_ms;
    struct ph_request *request; /* ENROLL, RENEW: parsed, possession proved */
    bool decided;               /* refused or made to wait: not our fault */
    struct ph_answer answer;    /* its texts are the buffers below */
    char reason[PH_REASON_BYTES];
    struct ph_buf text; /* certificate, trust statement or token */
};

/* Ends the turn with PH_ERR_DENIED and what the device is told. Nothing that was written in it
 * stays. */
enum ph_err ph_turn_refuse(struct ph_turn *turn, const char *format, ...)
    PH_PRINTF(2, 3) PH_NODISCARD;

/* Ends the turn: the device shall ask again. What was written stays: PH_OK. */
enum ph_err ph_turn_wait(struct ph_turn *turn, int64_t retry_s, const char *format, ...)
    PH_PRINTF(3, 4) PH_NODISCARD;

/* Reads the CSR into turn->request, or refuses. */
enum ph_err ph_turn_read_request(struct ph_turn *turn) PH_NODISCARD;

/* The asker's certificate as the inventory has it; refused when the inventory does not, when it is
 * somebody else's, or revoked. */
enum ph_err ph_turn_find_certificate(
    struct ph_turn *turn, struct ph_inventory_entry *out, struct ph_error *error) PH_NODISCARD;

/* An identity from its parts, which are names that were checked. */
void ph_turn_identity(
    struct ph_identity *out, const char *tenant, const char *kind, const char *name);

/* Refused when the claim is for another kind; when the holder was decommissioned. */
enum ph_err ph_turn_check_kind(
    struct ph_turn *turn, const struct ph_claim *claim, const char *kind) PH_NODISCARD;
enum ph_err ph_turn_check_allowed(struct ph_turn *turn, const struct ph_inventory_entry *entry,
    struct ph_error *error) PH_NODISCARD;

/* Answers with a certificate that was issued before. */
enum ph_err ph_turn_repeat(struct ph_turn *turn, const struct ph_inventory_entry *entry,
    struct ph_error *error) PH_NODISCARD;

/* Why and for whom a certificate is made. */
struct ph_grant {
    struct ph_identity identity;
    const struct ph_inventory_entry *predecessor; /* NULL: the first of its line */
    const char *claim;                            /* "" without one */
    const char *approved_by;
    const char *why;
    const char *act; /* for the log: "enroll" or "renew" */
};

/* Makes a certificate for the request's key, puts it into the inventory and into the answer. */
enum ph_err ph_turn_grant(struct ph_turn *turn, const struct ph_grant *grant,
    struct ph_inventory_entry *issued, struct ph_error *error) PH_NODISCARD;

/* What follows a certificate in its line: its renewal, the same way for a device on its own
 * connection and for one whose certificate has expired. `current` was checked by the caller. */
enum ph_err ph_turn_renew(struct ph_turn *turn, const struct ph_inventory_entry *current,
    const char *why, struct ph_error *error) PH_NODISCARD;

/* An enroll with a proof: the renewal of a certificate that has expired, within the grace. *again:
 * it is past renewal, but an operator expects the device again: nothing was decided, and it is to
 * enrol like any other. */
enum ph_err ph_turn_renew_by_proof(struct ph_turn *turn, const struct ph_claim *claim, bool *again,
    struct ph_error *error) PH_NODISCARD;

/* The handlers, by ph_ask_type. */
enum ph_err ph_turn_enroll(struct ph_turn *turn, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_turn_ask_renew(struct ph_turn *turn, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_turn_state(struct ph_turn *turn, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_turn_time(struct ph_turn *turn, struct ph_error *error) PH_NODISCARD;

/* When a device shall renew this certificate, unix ms: the same at every question. */
enum ph_err ph_turn_renew_time(struct ph_turn *turn, const struct ph_inventory_entry *entry,
    int64_t *out_ms, struct ph_error *error) PH_NODISCARD;

#endif
