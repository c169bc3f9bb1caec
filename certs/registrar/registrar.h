/* The registrar: decides who gets a certificate. It knows nothing of MQTT: a request comes from
 * somebody whom a transport has authenticated, and the answer goes back the same way, so that
 * another transport (EST over HTTPS) can stand beside the first. A decision, its record in the log
 * of acts and the certificate are in one transaction; a repeated request gets the same answer.
 * Belongs to one thread. */
#ifndef PH_CERTS_REGISTRAR_REGISTRAR_H
#define PH_CERTS_REGISTRAR_REGISTRAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "certs/ca.h"
#include "format/enrolment.h"
#include "x509/certificate.h"

struct ph_registrar_rules {
    int64_t device_ms;       /* lifetime of what it issues */
    double renew_at;         /* share of the lifetime after which devices renew, 0.1 to 0.95 */
    double renew_jitter;     /* spread around that, as a share of the lifetime, 0 to 0.2 */
    int64_t rollover_ms;     /* within which devices renew once their CA was rolled over */
    int64_t renew_grace_ms;  /* after notAfter a device may still renew, by its claim; 0: not */
    bool renew_reuse_key;    /* a renewal may be for the key that the device has */
    bool auto_approve;       /* whoever has a good claim gets the name that it asks for */
    int64_t retry_waiting_s; /* what a device that waits for approval is told */
    int64_t retry_refused_s;
};

struct ph_registrar;

/* `certificate_file` and `key_file` sign the time (the registrar's own, which it also connects
 * with). Everything is borrowed. */
enum ph_err ph_registrar_new(struct ph_ca *ca, const struct ph_registrar_rules *rules,
    const char *certificate_file, const char *key_file, struct ph_registrar **out,
    struct ph_error *error) PH_NODISCARD;
void ph_registrar_free(struct ph_registrar **registrar);

/* Who asks, as the transport has found out. */
struct ph_asker {
    bool claim;                  /* a claim: kind "claim", the device is the claim's name */
    struct ph_identity identity; /* tenant, kind, device */
    const char *fingerprint;     /* of the certificate that the connection was made with; NULL when
                                    the transport cannot say: then nothing is renewed */
};

/* A transaction of the inventory: several requests share one, since each costs a sync of the disk.
 * No answer may leave before the commit. After a rollback nothing of it has happened. */
enum ph_err ph_registrar_begin(struct ph_registrar *registrar, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_registrar_commit(
    struct ph_registrar *registrar, struct ph_error *error) PH_NODISCARD;
void ph_registrar_rollback(struct ph_registrar *registrar);

/* Within a transaction: appends the answer (PH_LIMIT_ANSWER_BYTES), and says which request it is
 * to. Whatever is wrong with the request becomes a refusal in the answer and a line in the log.
 * PH_ERR_INPUT and PH_ERR_LIMIT before anything was written when the bytes are no request; any
 * other error is our own trouble, and the transaction must be rolled back. */
enum ph_err ph_registrar_answer(struct ph_registrar *registrar, const struct ph_asker *asker,
    const void *bytes, size_t len, int64_t now_ms, struct ph_buf *answer, char id[PH_ASK_ID_BYTES],
    struct ph_error *error) PH_NODISCARD;

/* The answer in such trouble: ask again later. */
enum ph_err ph_registrar_apologize(struct ph_registrar *registrar, const void *bytes, size_t len,
    struct ph_buf *answer, char id[PH_ASK_ID_BYTES], struct ph_error *error) PH_NODISCARD;

/* For logs and metrics. */
struct ph_registrar_counts {
    int64_t enrolled;
    int64_t renewed;
    int64_t repeated; /* answered as before */
    int64_t waiting;
    int64_t refused;
    int64_t confirmed;
    int64_t superseded;
};
struct ph_registrar_counts ph_registrar_counts(const struct ph_registrar *registrar);

/* Signs CRLs anew when something was revoked since, or when one has used up half of its life;
 * *signed_any says whether. Keys that are not here (an offline root's) are passed over. */
enum ph_err ph_registrar_crls(struct ph_registrar *registrar, int64_t now_ms, bool *signed_any,
    struct ph_error *error) PH_NODISCARD;

#endif
