/* Secrets that a service manager hands to a service: files in the folder $CREDENTIALS_DIRECTORY,
 * which that service alone can read (systemd.exec(5), LoadCredential=). */
#ifndef PH_BASE_CREDENTIAL_H
#define PH_BASE_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/attr.h"

/* Writes the path of the credential `name` to `out`. False when there is none, when it is empty, or
 * when its path does not fit. */
bool ph_credential_find(char *out, size_t size, const char *name) PH_NODISCARD;

/* Whether the file is a credential whose mode is as a service manager makes it: it lies in the
 * folder, belongs to root or to us, nobody may write it but its owner, and others have no rights.
 * Where the manager lets the service in by an access control list, the bits of the group are that
 * list's mask and not a group's rights. */
bool ph_credential_is_closed(const char *path, const struct stat *st) PH_NODISCARD;

#endif
