/* Any bytes as a template, with a topic name or a certificate's name behind a newline: no crash;
 * every expansion of an admitted one is a sound filter, matching is expanding and matching, and
 * what an identity template reads it also writes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "domain/template.h"
#include "format/topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct ph_identity longest_identity(void)
{
    struct ph_identity identity = {0};
    memset(identity.tenant, 'T', PH_LIMIT_SEGMENT_BYTES);
    memset(identity.kind, 'k', PH_LIMIT_SEGMENT_BYTES);
    memset(identity.device, '9', PH_LIMIT_SEGMENT_BYTES);
    return identity;
}

static void check_match(const char *text, const struct ph_identity *identity, const char *topic)
{
    char filter[PH_LIMIT_TOPIC_BYTES + 1];
    require(ph_template_expand(filter, sizeof filter, text, identity));
    if (ph_topic_name_check(topic, NULL) == PH_OK) {
        require(ph_template_match(text, identity, topic) == ph_topic_match(filter, topic));
    }
    if (ph_topic_name_check(filter, NULL) == PH_OK &&
        ph_topic_filter_check(filter, NULL) == PH_OK) {
        require(ph_template_match(text, identity, filter));
    }
}

static void check_parse(const char *text, const char *name, size_t len)
{
    struct ph_identity identity = {.tenant = "a", .kind = "b"};
    struct ph_error error = {0};
    char out[1024];
    if (ph_template_check_identity(text, NULL) != PH_OK) {
        return;
    }
    if (ph_template_parse(text, "URI", name, len, &identity, &error) != PH_OK) {
        require(error.code == PH_ERR_DENIED && strchr(error.message, '\n') == NULL);
        require(identity.device[0] == '\0');
        return;
    }
    require(ph_segment_valid(identity.device, strlen(identity.device)));
    if (ph_template_expand(out, sizeof out, text, &identity)) {
        require(strlen(out) == len && memcmp(out, name, len) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ph_identity identities[] = {longest_identity(),
        {.tenant = "a", .kind = "b", .device = "c"},
        {.tenant = "share", .kind = "SYS", .device = "0..-"}};
    char out[PH_LIMIT_TOPIC_BYTES + 1];
    char *text = calloc(1, size + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    char *topic = text + strcspn(text, "\n");
    size_t topic_len = 0;
    if (*topic == '\n') {
        *topic++ = '\0';
        topic_len = size - (size_t)(topic - text);
    }
    check_parse(text, topic, topic_len);
    struct ph_error error = {0};
    bool sound = ph_template_check(text, &error) == PH_OK;
    require(sound || error.message[0] != '\0');
    if (sound && ph_template_expand(out, 8, text, &identities[1])) {
        require(strlen(out) < 8);
    }
    if (ph_template_check_filter(text, NULL) == PH_OK) {
        require(sound);
        for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++) {
            require(ph_template_expand(out, sizeof out, text, &identities[i]));
            require(ph_topic_filter_check(out, NULL) == PH_OK);
            require((out[0] == '$') == (text[0] == '$'));
            check_match(text, &identities[i], topic);
        }
    }
    free(text);
    return 0;
}
