/* One segment of an identity: the grammar that everything which names a device shares. */
#ifndef PH_FORMAT_SEGMENT_H
#define PH_FORMAT_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

#define PH_SEGMENT_BYTES (PH_LIMIT_SEGMENT_BYTES + 1) /* with the terminator */

/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} over exactly `len` bytes. */
bool ph_segment_valid(const char *bytes, size_t len);

/* True for a character that a segment may hold behind its first. */
bool ph_segment_char(char c);

#endif
