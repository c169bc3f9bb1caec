/* The name of a stream as text: 16 lower-case hexadecimal digits, not all zero. One spelling, so
 * that messages, acknowledgements, logs and databases can be compared. */
#ifndef PH_FORMAT_STREAM_H
#define PH_FORMAT_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#define PH_STREAM_BYTES 17 /* with the terminator */

/* Writes the name of `stream`, terminated. */
void ph_stream_print(char out[PH_STREAM_BYTES], uint64_t stream);

/* False on anything but that spelling; `out` is then as it was. */
bool ph_stream_parse(const char *text, uint64_t *out) PH_NODISCARD;

#endif
