/* The log of acts: who did what to whom and why, in the inventory, written in the same transaction
 * as the act itself. Each record's hash covers the one before it, so a record that was changed,
 * removed or put in later shows (docs/spec/authority.md). */
#ifndef PH_CERTS_ACTS_H
#define PH_CERTS_ACTS_H

#include <stdint.h>

#include "base/error.h"
#include "certs/inventory.h"

#define PH_ACT_DETAIL_BYTES 4096 /* with the terminator */

struct ph_act {
    int64_t id; /* from 1, without gaps */
    int64_t time_ms;
    const char *who;  /* "registrar", or the operator: --by, else the user's login name */
    const char *act;  /* "issue", "renew", "revoke", "approve", ...: one word of 16 bytes at most */
    const char *what; /* identity, serial number, CA or claim */
    const char *why;  /* free text of the operator, "" when none */
    const char
        *detail;      /* JSON object of what else matters, such as {"serial":"...","claim":"..."} */
    const char *hash; /* SHA-256 in hexadecimal, over the hash before and all members above */
};

/* Adds a record; `id` and `hash` are found, whatever they are here. `why` and `detail` may be NULL.
 * What does not belong into one line of text is escaped (\xNN), and all but `detail` is cut to its
 * size in certs/inventory.h (`what` to 256 bytes). PH_ERR_LIMIT for a longer detail. Within the
 * caller's transaction. */
enum ph_err ph_act_add(
    struct ph_inventory *inventory, const struct ph_act *act, struct ph_error *error) PH_NODISCARD;

/* Records from one id on. */
typedef enum ph_err ph_act_visit(const struct ph_act *act, void *context, struct ph_error *error);
enum ph_err ph_act_each(struct ph_inventory *inventory, int64_t from_id, ph_act_visit *visit,
    void *context, struct ph_error *error) PH_NODISCARD;

/* Follows the chain from the first record. PH_ERR_DENIED names the first record that does not fit,
 * and says whether it was changed, is missing, or stands in the wrong place; `head` (65 bytes) and
 * `count` are what the log ends with: keep them elsewhere to notice a cut. */
enum ph_err ph_act_verify(struct ph_inventory *inventory, char head[65], int64_t *count,
    struct ph_error *error) PH_NODISCARD;

#endif
