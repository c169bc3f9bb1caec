#include "format/segment.h"

static bool is_alphanumeric(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool ph_segment_char(char c)
{
    return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
}

bool ph_segment_valid(const char *bytes, size_t len)
{
    if (len < 1 || len > PH_LIMIT_SEGMENT_BYTES || !is_alphanumeric(bytes[0])) {
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (!ph_segment_char(bytes[i])) {
            return false;
        }
    }
    return true;
}
