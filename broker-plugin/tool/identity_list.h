/* Identities from people and files: "[anchor:]tenant/kind/device", and lists of them. */
#ifndef PH_BROKER_PLUGIN_IDENTITY_LIST_H
#define PH_BROKER_PLUGIN_IDENTITY_LIST_H

#include <stdio.h>

#include "base/error.h"
#include "domain/identity.h"
#include "domain/subject.h"

/* Reads "anchor:tenant/kind/device", or without anchor, which is then "". PH_ERR_INPUT. */
enum ph_err ph_identity_parse_anchored(
    const char *text, struct ph_identity *out, struct ph_error *error) PH_NODISCARD;

/* Reads "ATTR=VALUE,ATTR=VALUE" into a subject (domain/subject.h); "\," is a comma in a value.
 * PH_ERR_USAGE names the attribute. */
enum ph_err ph_subject_parse(
    const char *text, char out[PH_SUBJECT_BYTES], struct ph_error *error) PH_NODISCARD;

/* Called for each identity; `subject` is NULL when the line gives none. */
typedef enum ph_err ph_identity_visit(
    void *context, const struct ph_identity *identity, const char *subject, struct ph_error *error);

#define PH_INVENTORY_MAX                                                                           \
    1000000 /* identities of one list, which are remembered: 150 bytes each                        \
             */

/* Reads a list, "-" for standard input. Either one identity a line, behind it, after a space,
 * attributes of its subject if there are any, comments after '#'; or what `ph-ca list --format csv`
 * prints, of which the devices and services count that are neither revoked nor expired, with the
 * issuing authority as their anchor. Each identity is visited once. PH_ERR_INPUT "<file>:<line>:
 * ..." at the first line that is neither. */
enum ph_err ph_identity_list_read(
    const char *path, ph_identity_visit *visit, void *context, struct ph_error *error) PH_NODISCARD;

/* The same from an open stream; `name` is for messages. */
enum ph_err ph_identity_list_parse(const char *name, FILE *file, ph_identity_visit *visit,
    void *context, struct ph_error *error) PH_NODISCARD;

#endif
