/* Who is kept out, or kept in quarantine, besides CRLs (docs/spec/deny.md). A text file that an
 * operator or another program writes and replaces atomically, of comments (#), blank lines and:
 *
 *     deny identity [ANCHOR:]TENANT/KIND/DEVICE
 *     deny serial SERIAL ISSUER
 *     deny key SHA256
 *     quarantine [ANCHOR:]TENANT/KIND/DEVICE
 *
 * SERIAL is the certificate's serial number in hexadecimal, ISSUER, to the end of the line, its
 * issuer as logs and ph-policy print it (RFC 4514), SHA256 that of its SubjectPublicKeyInfo, 64
 * hexadecimal digits. Without ANCHOR an identity is meant under every anchor. A file of no bytes
 * and one that does not end with a newline are refused: both look like a file that is being
 * written. Immutable once loaded, so threads may share one. */
#ifndef PH_DOMAIN_DENY_H
#define PH_DOMAIN_DENY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "domain/identity.h"

struct ph_deny_list;

/* Reads all files, `count` may be 0. PH_ERR_CONFIG: "<file>:<line>: <what is wrong>"; PH_ERR_LIMIT
 * beyond PH_LIMIT_DENY_BYTES or PH_LIMIT_DENY_ENTRIES. */
enum ph_err ph_deny_load(char *const *files, size_t count, struct ph_deny_list **out,
    struct ph_error *error) PH_NODISCARD;

/* The same for one file's bytes that were read already. */
enum ph_err ph_deny_parse(const char *name, const void *bytes, size_t len,
    struct ph_deny_list **out, struct ph_error *error) PH_NODISCARD;
void ph_deny_free(struct ph_deny_list **list);

/* Entries, those that are repeated once. */
size_t ph_deny_count(const struct ph_deny_list *list);

/* Where an entry stands, for messages: "<file>:<line>". */
struct ph_deny_place {
    const char *file; /* borrowed from the list */
    size_t line;
};

/* Each true when an entry says so; `place` may be NULL. No allocation. */
bool ph_deny_has_identity(const struct ph_deny_list *list, const struct ph_identity *identity,
    struct ph_deny_place *place);
bool ph_deny_has_serial(const struct ph_deny_list *list, const char *serial, const char *issuer,
    struct ph_deny_place *place);
bool ph_deny_has_key(
    const struct ph_deny_list *list, const char *key_hash, struct ph_deny_place *place);
bool ph_deny_has_quarantined(const struct ph_deny_list *list, const struct ph_identity *identity,
    struct ph_deny_place *place);

#endif
