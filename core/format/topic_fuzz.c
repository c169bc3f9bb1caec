/* Two texts, separated by a newline: no crash, and what matching and containment promise. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Every valid filter contains itself; containment carries a match over. */
static void check_pair(const char *outer, const char *inner)
{
    if (ph_topic_filter_check(outer, NULL) != PH_OK) {
        return;
    }
    require(ph_topic_filter_contains(outer, outer));
    require(ph_topic_filters_meet(outer, outer));
    if (ph_topic_name_check(inner, NULL) == PH_OK && ph_topic_filter_check(inner, NULL) == PH_OK) {
        require(ph_topic_match(outer, inner) == ph_topic_filter_contains(outer, inner));
        require(ph_topic_match(inner, inner));
    } else if (ph_topic_filter_check(inner, NULL) == PH_OK) {
        bool meet = ph_topic_filters_meet(outer, inner);
        require(meet == ph_topic_filters_meet(inner, outer));
        require(meet || !ph_topic_filter_contains(outer, inner));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *first = calloc(1, size + 2);
    if (first == NULL) {
        return 0;
    }
    memcpy(first, data, size);
    char *second = first + strcspn(first, "\n");
    if (*second == '\n') {
        *second++ = '\0';
    }
    struct ph_error error = {0};
    if (ph_topic_filter_check(first, &error) != PH_OK) {
        require(error.message[0] != '\0' && strchr(error.message, '\n') == NULL);
    }
    check_pair(first, second);
    check_pair(second, first);
    const char *unshared = ph_topic_unshare(first);
    require(unshared == NULL || *unshared != '\0' || unshared == first);
    free(first);
    return 0;
}
