#include "device/fleet/attempt.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "domain/template.h"

/* Whose names stand in the topic. */
enum whose { OWN, ANOTHER, ALL };

enum { LITERAL = -1 };

struct row {
    enum ph_attempt_how how;
    int topic; /* enum ph_device_topic, or LITERAL: before and behind are all of it */
    enum whose whose;
    const char *before;
    const char *behind;
    const char *what;
};

#define PUBLISH   PH_ATTEMPT_PUBLISH
#define SUBSCRIBE PH_ATTEMPT_SUBSCRIBE
#define WILL      PH_ATTEMPT_WILL

static const struct row own[] = {
    {PUBLISH, PH_TOPIC_TELEMETRY, OWN, "", "", "publish its own telemetry"},
    {PUBLISH, PH_TOPIC_STATUS, OWN, "", "", "publish its own status"},
    {PUBLISH, PH_TOPIC_REPLY, OWN, "", "", "publish its own reply"},
    {PUBLISH, PH_TOPIC_RENEW, OWN, "", "", "publish its own renewal"},
    {SUBSCRIBE, PH_TOPIC_ACK, OWN, "", "", "subscribe to its own acknowledgements"},
    {SUBSCRIBE, PH_TOPIC_COMMAND, OWN, "", "", "subscribe to its own commands"},
    {SUBSCRIBE, PH_TOPIC_CERTIFICATE, OWN, "", "", "subscribe to its own certificate"},
    {SUBSCRIBE, PH_TOPIC_INGEST_STATUS, OWN, "", "", "subscribe to the status of ingest"},
};

/* One text for several of these: the reasons that a fleet counts are few, the log names the topic.
 */
#define SERVICE  "publish what is ingest's, the registrar's or a claim's"
#define BROKER   "publish in the broker's own topics"
#define WILDCARD "subscribe to the topics of all"
#define SHARE    "subscribe to the topics of all in a share"
#define SYSTEM   "subscribe to the broker's own topics"

static const struct row general[] = {
    {PUBLISH, PH_TOPIC_INGEST_STATUS, OWN, "", "", SERVICE},
    {PUBLISH, PH_TOPIC_ENROLL, OWN, "", "", SERVICE},
    {PUBLISH, PH_TOPIC_ENROLLED, OWN, "", "/1", SERVICE},
    {PUBLISH, LITERAL, OWN, "$SYS/broker/uptime", "", BROKER},
    {PUBLISH, LITERAL, OWN, "$CONTROL/dynamic-security/v1", "", BROKER},
    {PUBLISH, LITERAL, OWN, "$share/thief/x", "", BROKER},
    {SUBSCRIBE, LITERAL, OWN, "#", "", WILDCARD},
    {SUBSCRIBE, LITERAL, OWN, "+/#", "", WILDCARD},
    {SUBSCRIBE, LITERAL, OWN, "$SYS/#", "", SYSTEM},
    {SUBSCRIBE, LITERAL, OWN, "$share/thief/#", "", SHARE},
    {SUBSCRIBE, PH_TOPIC_TELEMETRY, ALL, "$share/thief/", "", SHARE},
    {SUBSCRIBE, PH_TOPIC_TELEMETRY, ALL, "", "", WILDCARD},
    {SUBSCRIBE, PH_TOPIC_STATUS, ALL, "", "", WILDCARD},
    {SUBSCRIBE, PH_TOPIC_REPLY, ALL, "", "", WILDCARD},
    {SUBSCRIBE, PH_TOPIC_ACK, ALL, "", "", WILDCARD},
    {SUBSCRIBE, PH_TOPIC_COMMAND, ALL, "", "", WILDCARD},
    {SUBSCRIBE, PH_TOPIC_RENEW, ALL, "", "", WILDCARD},
    {SUBSCRIBE, PH_TOPIC_CERTIFICATE, ALL, "", "", WILDCARD},
    {SUBSCRIBE, PH_TOPIC_ENROLL, ALL, "", "", WILDCARD},
    {SUBSCRIBE, PH_TOPIC_ENROLLED, ALL, "", "/+", WILDCARD},
};

/* For each of the others. Acknowledgements are ingest's to publish, commands an operator's,
 * certificates the registrar's. */
static const struct row each[] = {
    {PUBLISH, PH_TOPIC_TELEMETRY, ANOTHER, "", "", "publish the telemetry of another device"},
    {PUBLISH, PH_TOPIC_STATUS, ANOTHER, "", "", "publish the status of another device"},
    {PUBLISH, PH_TOPIC_REPLY, ANOTHER, "", "", "publish the reply of another device"},
    {PUBLISH, PH_TOPIC_RENEW, ANOTHER, "", "", "publish the renewal of another device"},
    {PUBLISH, PH_TOPIC_ACK, ANOTHER, "", "", "publish an acknowledgement to another device"},
    {PUBLISH, PH_TOPIC_COMMAND, ANOTHER, "", "", "publish a command to another device"},
    {PUBLISH, PH_TOPIC_CERTIFICATE, ANOTHER, "", "", "publish a certificate for another device"},
    {SUBSCRIBE, PH_TOPIC_ACK, ANOTHER, "", "",
        "subscribe to the acknowledgements of another device"},
    {SUBSCRIBE, PH_TOPIC_COMMAND, ANOTHER, "", "", "subscribe to the commands of another device"},
    {SUBSCRIBE, PH_TOPIC_CERTIFICATE, ANOTHER, "", "",
        "subscribe to the certificate of another device"},
};

static const struct row own_wills[] = {
    {WILL, PH_TOPIC_STATUS, OWN, "", "", "leave a will on its own status"},
    {WILL, PH_TOPIC_INGEST_STATUS, OWN, "", "", "leave a will on the status of ingest"},
};

static const struct row other_wills[] = {
    {WILL, PH_TOPIC_TELEMETRY, ANOTHER, "", "", "leave a will as another's telemetry"},
    {WILL, PH_TOPIC_STATUS, ANOTHER, "", "", "leave a will on the status of another device"},
    {WILL, PH_TOPIC_COMMAND, ANOTHER, "", "", "leave a will as a command to another device"},
};

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static size_t at_most(size_t count, size_t max)
{
    return count < max ? count : max;
}

enum ph_err ph_attempts_init(struct ph_attempts *attempts,
    const struct ph_topic_templates *templates, const char *name,
    const struct ph_identities *others, struct ph_error *error)
{
    struct ph_identity identity;
    *attempts = (struct ph_attempts){.templates = templates, .others = others, .name = name};
    for (size_t i = 0; i < others->count; i++) {
        if (ph_identity_parse(others->names[i], &identity, error) != PH_OK) {
            return ph_error_prefix(error, PH_ERR_INPUT, "others");
        }
    }
    attempts->own_end = COUNT(own);
    attempts->topics_end = attempts->own_end + COUNT(general) + others->count * COUNT(each);
    attempts->ids_end = attempts->topics_end + at_most(others->count, PH_ATTEMPT_IDS);
    attempts->wills_end = attempts->ids_end + COUNT(own_wills) +
                          at_most(others->count, PH_ATTEMPT_WILLS) * COUNT(other_wills);
    return ph_identity_parse(name, &attempts->self, error);
}

static bool print_topic(const struct ph_attempts *attempts, const struct row *row,
    const struct ph_identity *identity, char *out, size_t size)
{
    char topic[PH_LIMIT_TOPIC_BYTES + 1] = "";
    if (row->topic != LITERAL &&
        !ph_template_expand(topic, sizeof topic, attempts->templates->text[row->topic], identity)) {
        return false;
    }
    int len = snprintf(out, size, "%s%s%s", row->before, topic, row->behind);
    return len > 0 && (size_t)len < size;
}

/* `name` is the other device's, NULL where there is none. */
static void from_row(const struct ph_attempts *attempts, const struct row *row, const char *name,
    struct ph_attempt *out)
{
    static const struct ph_identity all = {.tenant = "+", .kind = "+", .device = "+"};
    struct ph_identity identity = row->whose == ALL ? all : attempts->self;
    if (name != NULL &&
        (strcmp(name, attempts->name) == 0 || ph_identity_parse(name, &identity, NULL) != PH_OK)) {
        return;
    }
    if (print_topic(attempts, row, &identity, out->topic, sizeof out->topic)) {
        out->how = row->how;
        out->what = row->what;
        out->retained = row->topic == PH_TOPIC_STATUS ||
                        (row->topic == PH_TOPIC_INGEST_STATUS && row->how == PH_ATTEMPT_PUBLISH);
        out->readable = row->topic == PH_TOPIC_INGEST_STATUS;
    }
}

/* The `index`th of `count` others, spread over all of them. */
static const char *spread(const struct ph_attempts *attempts, size_t index, size_t count)
{
    const struct ph_identities *others = attempts->others;
    return others->names[index * others->count / count];
}

static void make_topic(const struct ph_attempts *attempts, size_t number, struct ph_attempt *out)
{
    if (number < COUNT(general)) {
        from_row(attempts, &general[number], NULL, out);
        return;
    }
    number -= COUNT(general);
    from_row(
        attempts, &each[number % COUNT(each)], attempts->others->names[number / COUNT(each)], out);
}

static void make_id(const struct ph_attempts *attempts, size_t number, struct ph_attempt *out)
{
    const char *name = spread(attempts, number, attempts->ids_end - attempts->topics_end);
    if (strcmp(name, attempts->name) != 0 && ph_text_copy(out->topic, sizeof out->topic, name)) {
        out->how = PH_ATTEMPT_CONNECT;
        out->what = "connect as another device";
    }
}

static void make_will(const struct ph_attempts *attempts, size_t number, struct ph_attempt *out)
{
    if (number < COUNT(own_wills)) {
        from_row(attempts, &own_wills[number], NULL, out);
        out->own = number == 0;
        return;
    }
    number -= COUNT(own_wills);
    size_t others = at_most(attempts->others->count, PH_ATTEMPT_WILLS);
    from_row(attempts, &other_wills[number % COUNT(other_wills)],
        spread(attempts, number / COUNT(other_wills), others), out);
}

void ph_attempts_get(const struct ph_attempts *attempts, size_t number, struct ph_attempt *out)
{
    *out = (struct ph_attempt){.how = PH_ATTEMPT_NONE, .what = ""};
    if (number < attempts->own_end) {
        from_row(attempts, &own[number], NULL, out);
        out->own = true;
    } else if (number < attempts->topics_end) {
        make_topic(attempts, number - attempts->own_end, out);
    } else if (number < attempts->ids_end) {
        make_id(attempts, number - attempts->topics_end, out);
    } else {
        make_will(attempts, number - attempts->ids_end, out);
    }
}
