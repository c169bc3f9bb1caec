/* Who a certificate says its holder is: tenant/kind/device, under the trust anchor that vouches for
 * it. One grammar, used at issuance, at CONNECT and at storage. */
#ifndef PH_DOMAIN_IDENTITY_H
#define PH_DOMAIN_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/limits.h"
#include "format/segment.h"

/* Two CAs that both issue "CN=t-0001" make two identities: compare the anchor too. */
struct ph_identity {
    char anchor[PH_SEGMENT_BYTES]; /* name of the policy's trust anchor; "" before the chain is
                                      known */
    char tenant[PH_SEGMENT_BYTES];
    char kind[PH_SEGMENT_BYTES];
    char device[PH_SEGMENT_BYTES];
};

/* Sets one member from `len` bytes; PH_ERR_INPUT names `what` ("O", "tenant", ...) and shows the
 * value escaped. */
enum ph_err ph_segment_set(char out[PH_SEGMENT_BYTES], const char *what, const char *bytes,
    size_t len, struct ph_error *error) PH_NODISCARD;

/* Same anchor, tenant, kind and device, byte by byte. */
bool ph_identity_equal(const struct ph_identity *a, const struct ph_identity *b);

/* "tenant/kind/device", with neither anchor nor role. `size` of PH_IDENTITY_BYTES always suffices.
 */
#define PH_IDENTITY_BYTES (3 * PH_LIMIT_SEGMENT_BYTES + 3)
void ph_identity_print(char *out, size_t size, const struct ph_identity *identity);

/* Reads "tenant/kind/device" (anchor stays empty). */
enum ph_err ph_identity_parse(
    const char *text, struct ph_identity *out, struct ph_error *error) PH_NODISCARD;

/* The MQTT user name that the plugin sets: "role:anchor:tenant/kind/device", the one piece of state
 * that the broker hands to every later check. ':' and '/' are outside the segment grammar, so the
 * text cannot be ambiguous. */
void ph_user_name_print(
    char *out, size_t size, const char *role, const struct ph_identity *identity);
enum ph_err ph_user_name_parse(const char *user_name, char role[PH_SEGMENT_BYTES],
    struct ph_identity *out, struct ph_error *error) PH_NODISCARD;

#endif
