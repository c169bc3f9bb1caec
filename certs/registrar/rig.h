/* For tests: an authority in a folder of its own, a registrar on it, and devices and claims that
 * ask. Everything aborts the test when it fails. */
#ifndef PH_CERTS_REGISTRAR_RIG_H
#define PH_CERTS_REGISTRAR_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "certs/claims.h"
#include "certs/registrar/registrar.h"
#include "format/enrolment.h"

struct ph_rig {
    char dir[64];
    int64_t now_ms;
    struct ph_ca *ca;
    struct ph_inventory *inventory;
    struct ph_registrar_rules rules;
    struct ph_registrar *registrar;
};

/* A device, or a claim: whom it is and what it holds. */
struct ph_rig_peer {
    struct ph_asker asker;
    char fingerprint[PH_FINGERPRINT_BYTES];
    struct ph_certificate *certificate;
    struct ph_key *key;
};

/* What came back, copied. */
struct ph_rig_answer {
    struct ph_answer_message *message;
    struct ph_answer answer;
};

/* Makes the authority and opens a registrar on it; close removes the folder. */
void ph_rig_open(struct ph_rig *rig);
void ph_rig_close(struct ph_rig *rig);

/* Closes and opens the registrar, as a restart does. */
void ph_rig_restart(struct ph_rig *rig);

/* Issues a claim of tenant acme, with its row and certificate. `kind` may be NULL. */
void ph_rig_claim(
    struct ph_rig *rig, const char *name, const char *kind, int64_t limit, struct ph_rig_peer *out);

/* Issues a certificate for a device of acme as an operator does. */
void ph_rig_device(struct ph_rig *rig, const char *name, int64_t days, struct ph_rig_peer *out);
void ph_rig_peer_free(struct ph_rig_peer *peer);

/* Expects a device of kind thermostat of acme; `hardware` and `key_hash` may be "". */
void ph_rig_expect(
    struct ph_rig *rig, const char *name, const char *hardware, const char *key_hash);

/* A new key and a request for it, as PEM. */
void ph_rig_request(const struct ph_identity *subject, struct ph_key **key, char *pem, size_t size);

/* Sends the request (its id is made here) in a transaction of its own. */
void ph_rig_ask(struct ph_rig *rig, const struct ph_asker *asker, struct ph_ask *ask,
    struct ph_rig_answer *out);
void ph_rig_answer_free(struct ph_rig_answer *answer);

/* The first certificate of an answer, as a device that lives on it. */
void ph_rig_take(
    const struct ph_rig_answer *answer, const struct ph_key *key, struct ph_rig_peer *out);

#endif
