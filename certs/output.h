/* The files of one holder: key.pem, ca.pem and cert.pem in one folder. A cert.pem that is there
 * says that the others are there too, whole, also after a power cut. */
#ifndef PH_CERTS_OUTPUT_H
#define PH_CERTS_OUTPUT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/* PH_ERR_EXISTS when one of the files, or what an interrupted run left of them, is there. */
enum ph_err ph_output_check(const char *dir, struct ph_error *error) PH_NODISCARD;

struct ph_output {
    const struct ph_buf *key;         /* 0600; empty: the holder has it, and no file is written */
    const struct ph_buf *ca;          /* what the holder must trust */
    const struct ph_buf *certificate; /* leaf and subordinate CA; written last */
};

/* Makes the folder (0700) when it is missing and writes the files; *made says whether it did.
 * Refuses like ph_output_check(), and PH_ERR_BUSY while another process writes there. On an error
 * nothing of it is left. All is on the disk when it returns. */
enum ph_err ph_output_store(const char *dir, const struct ph_output *output, bool *made,
    struct ph_error *error) PH_NODISCARD;

/* The same for many folders of one file system, which wait for the disk together. For each
 * ph_output_prepare(), which writes the certificate under another name; then one
 * ph_output_flush(); for each ph_output_finish(), which gives it its name; and one
 * ph_output_flush() again. */
enum ph_err ph_output_prepare(const char *dir, const struct ph_output *output, bool *made,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_output_finish(const char *dir, struct ph_error *error) PH_NODISCARD;

/* Waits until all that was written to the file system of `dir` since ph_output_flush_open() is on
 * the disk. */
enum ph_err ph_output_flush_open(const char *dir, int *fd, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_output_flush(int fd, const char *dir, struct ph_error *error) PH_NODISCARD;

/* Removes the files, and the folder when `made`. */
void ph_output_remove(const char *dir, bool made);

#endif
