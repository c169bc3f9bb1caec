/* The files of one holder: key.pem, ca.pem and cert.pem in one folder. */
#ifndef PH_CERTS_OUTPUT_H
#define PH_CERTS_OUTPUT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/* PH_ERR_EXISTS when one of the three files is there. */
enum ph_err ph_output_check(const char *dir, struct ph_error *error) PH_NODISCARD;

struct ph_output {
    const struct ph_buf *key;         /* 0600 */
    const struct ph_buf *ca;          /* what the holder must trust */
    const struct ph_buf *certificate; /* leaf and subordinate CA; written last */
};

/* Makes the folder (0700) when it is missing and writes the files; *made says whether it did.
 * Refuses like ph_output_check(), and PH_ERR_BUSY while another process writes there. On an error
 * nothing of it is left. */
enum ph_err ph_output_store(const char *dir, const struct ph_output *output, bool *made,
    struct ph_error *error) PH_NODISCARD;

/* Removes the three files, and the folder when `made`. */
void ph_output_remove(const char *dir, bool made);

#endif
