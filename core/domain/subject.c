#include "domain/subject.h"

#include <string.h>

bool ph_subject_attribute_known(const char *attribute)
{
    static const char *const known[] = {"C", "ST", "L", "O", "OU", "CN", "DC", "UID",
        "serialNumber", "title", "street", "postalCode", "emailAddress"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(attribute, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

const char *ph_subject_get(const char *subject, const char *attribute)
{
    const char *found = NULL;
    size_t len = strlen(attribute);
    for (const char *piece = subject; piece != NULL && *piece != '\0'; piece += strlen(piece) + 1) {
        if (strncmp(piece, attribute, len) == 0 && piece[len] == '=') {
            if (found != NULL) {
                return NULL;
            }
            found = piece + len + 1;
        }
    }
    return found;
}

size_t ph_subject_size(const char *subject)
{
    if (subject == NULL) {
        return 0;
    }
    const char *piece = subject;
    while (*piece != '\0') {
        piece += strlen(piece) + 1;
    }
    return (size_t)(piece - subject) + 1;
}
