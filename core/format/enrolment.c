#include "format/enrolment.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "format/json.h"
#include "format/message.h"
#include "format/record.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define BIT(type)    (1U << (unsigned)(type))
#define ANY          (~0U)

_Static_assert(PH_ASK_ID_BYTES == PH_RECORD_ID_BYTES, "an id is held as the rule says");
_Static_assert(sizeof((struct ph_time_statement *)0)->device == PH_RECORD_DEVICE_BYTES, "the same");

/* ---- requests ---- */

static const char *const ask_types[] = {
    [PH_ASK_ENROLL] = "enroll",
    [PH_ASK_RENEW] = "renew",
    [PH_ASK_STATE] = "state",
    [PH_ASK_TIME] = "time",
};

#define ASK(member) offsetof(struct ph_ask, member)

static const struct ph_record_member ask_members[] = {
    {"id", PH_RECORD_ID, 0, ASK(id), ANY, ANY},
    {"csr", PH_RECORD_PEM, PH_LIMIT_CERTIFICATE_BYTES, ASK(csr),
        BIT(PH_ASK_ENROLL) | BIT(PH_ASK_RENEW), BIT(PH_ASK_ENROLL) | BIT(PH_ASK_RENEW)},
    {"kind", PH_RECORD_SEGMENT, 0, ASK(kind), BIT(PH_ASK_ENROLL), 0},
    {"name", PH_RECORD_SEGMENT, 0, ASK(name), BIT(PH_ASK_ENROLL), 0},
    {"serial", PH_RECORD_LINE, PH_LIMIT_HARDWARE_BYTES, ASK(serial), BIT(PH_ASK_ENROLL), 0},
    {"proof", PH_RECORD_PEM, PH_LIMIT_PROOF_BYTES, ASK(proof), BIT(PH_ASK_ENROLL), 0},
    {"certificate", PH_RECORD_HASH, 0, ASK(certificate), BIT(PH_ASK_STATE), BIT(PH_ASK_STATE)},
    {"trust", PH_RECORD_HASH, 0, ASK(trust), BIT(PH_ASK_STATE), BIT(PH_ASK_STATE)},
};

static const struct ph_record_format ask_format = {
    "ask", ask_types, COUNT(ask_types), ask_members, COUNT(ask_members), PH_LIMIT_ASK_BYTES};

enum ph_err ph_ask_encode(const struct ph_ask *ask, struct ph_buf *out, struct ph_error *error)
{
    return ph_record_encode(&ask_format, ask->type, ask, out, error);
}

/* The message is the JSON document that its texts lie in. */
enum ph_err ph_ask_parse(const void *bytes, size_t len, struct ph_ask_message **message,
    struct ph_ask *out, struct ph_error *error)
{
    size_t type = 0;
    struct ph_json *json = NULL;
    struct ph_ask ask = {0};
    enum ph_err err = ph_record_parse(&ask_format, bytes, len, &ask, &type, &json, error);
    ask.type = (enum ph_ask_type)type;
    *out = err == PH_OK ? ask : (struct ph_ask){0};
    *message = (struct ph_ask_message *)json;
    return err;
}

static void free_json(struct ph_json *json)
{
    ph_json_free(&json);
}

void ph_ask_message_free(struct ph_ask_message **message)
{
    free_json((struct ph_json *)*message);
    *message = NULL;
}

/* ---- answers ---- */

static const char *const answer_types[] = {
    [PH_ANSWER_CERTIFICATE] = "certificate",
    [PH_ANSWER_WAIT] = "wait",
    [PH_ANSWER_REFUSED] = "refused",
    [PH_ANSWER_STATE] = "state",
    [PH_ANSWER_TIME] = "time",
};

#define ANSWER(member) offsetof(struct ph_answer, member)
#define NOT_NOW        (BIT(PH_ANSWER_WAIT) | BIT(PH_ANSWER_REFUSED))

static const struct ph_record_member answer_members[] = {
    {"id", PH_RECORD_ID, 0, ANSWER(id), ANY, ANY},
    {"certificate", PH_RECORD_PEM, PH_LIMIT_CERTIFICATE_BYTES, ANSWER(certificate),
        BIT(PH_ANSWER_CERTIFICATE), BIT(PH_ANSWER_CERTIFICATE)},
    {"reason", PH_RECORD_LINE, PH_LIMIT_REASON_BYTES, ANSWER(reason), NOT_NOW, NOT_NOW},
    {"retry_s", PH_RECORD_NUMBER, INT32_MAX, ANSWER(retry_s), NOT_NOW, NOT_NOW},
    {"renew_ms", PH_RECORD_NUMBER, PH_TIME_MAX_MS, ANSWER(renew_ms),
        BIT(PH_ANSWER_CERTIFICATE) | BIT(PH_ANSWER_STATE), 0},
    {"trust", PH_RECORD_PEM, PH_LIMIT_STATEMENT_BYTES, ANSWER(trust), BIT(PH_ANSWER_STATE), 0},
    {"token", PH_RECORD_PEM, PH_LIMIT_CERTIFICATE_BYTES, ANSWER(token), BIT(PH_ANSWER_TIME),
        BIT(PH_ANSWER_TIME)},
};

static const struct ph_record_format answer_format = {"answer", answer_types, COUNT(answer_types),
    answer_members, COUNT(answer_members), PH_LIMIT_ANSWER_BYTES};

enum ph_err ph_answer_encode(
    const struct ph_answer *answer, struct ph_buf *out, struct ph_error *error)
{
    return ph_record_encode(&answer_format, answer->type, answer, out, error);
}

enum ph_err ph_answer_parse(const void *bytes, size_t len, struct ph_answer_message **message,
    struct ph_answer *out, struct ph_error *error)
{
    size_t type = 0;
    struct ph_json *json = NULL;
    struct ph_answer answer = {0};
    enum ph_err err = ph_record_parse(&answer_format, bytes, len, &answer, &type, &json, error);
    answer.type = (enum ph_answer_type)type;
    *out = err == PH_OK ? answer : (struct ph_answer){0};
    *message = (struct ph_answer_message *)json;
    return err;
}

void ph_answer_message_free(struct ph_answer_message **message)
{
    free_json((struct ph_json *)*message);
    *message = NULL;
}

/* ---- statements ---- */

static const char *const time_types[] = {"time"};

#define TIME(member) offsetof(struct ph_time_statement, member)

static const struct ph_record_member time_members[] = {
    {"device", PH_RECORD_DEVICE, 0, TIME(device), ANY, ANY},
    {"nonce", PH_RECORD_ID, 0, TIME(nonce), ANY, ANY},
    {"time", PH_RECORD_NUMBER, PH_TIME_MAX_MS, TIME(time_ms), ANY, ANY},
};

static const struct ph_record_format time_format = {"statement", time_types, COUNT(time_types),
    time_members, COUNT(time_members), PH_LIMIT_STATEMENT_BYTES};

enum ph_err ph_time_statement_encode(
    const struct ph_time_statement *statement, struct ph_buf *out, struct ph_error *error)
{
    return ph_record_encode(&time_format, 0, statement, out, error);
}

enum ph_err ph_time_statement_parse(
    const void *bytes, size_t len, struct ph_time_statement *out, struct ph_error *error)
{
    size_t type = 0;
    struct ph_json *json = NULL;
    struct ph_time_statement statement = {0};
    enum ph_err err = ph_record_parse(&time_format, bytes, len, &statement, &type, &json, error);
    *out = err == PH_OK ? statement : (struct ph_time_statement){0};
    ph_json_free(&json);
    return err;
}

static const char *const trust_types[] = {"trust"};

#define TRUST(member) offsetof(struct ph_trust_statement, member)

static const struct ph_record_member trust_members[] = {
    {"number", PH_RECORD_NUMBER, PH_LIMIT_SEQ, TRUST(number), ANY, ANY},
    {"bundle", PH_RECORD_BUNDLE, PH_LIMIT_TRUST_BYTES, TRUST(bundle), ANY, ANY},
};

static const struct ph_record_format trust_format = {"statement", trust_types, COUNT(trust_types),
    trust_members, COUNT(trust_members), PH_LIMIT_STATEMENT_BYTES};

enum ph_err ph_trust_statement_encode(
    const struct ph_trust_statement *statement, struct ph_buf *out, struct ph_error *error)
{
    return ph_record_encode(&trust_format, 0, statement, out, error);
}

enum ph_err ph_trust_statement_parse(const void *bytes, size_t len,
    struct ph_trust_message **message, struct ph_trust_statement *out, struct ph_error *error)
{
    size_t type = 0;
    struct ph_json *json = NULL;
    struct ph_trust_statement statement = {0};
    enum ph_err err = ph_record_parse(&trust_format, bytes, len, &statement, &type, &json, error);
    *out = err == PH_OK ? statement : (struct ph_trust_statement){0};
    *message = (struct ph_trust_message *)json;
    return err;
}

void ph_trust_message_free(struct ph_trust_message **message)
{
    free_json((struct ph_json *)*message);
    *message = NULL;
}

int64_t ph_trust_bundle_number(const char *text)
{
    static const char head[] = "# phonehome trusted CAs, number ";
    char digits[20] = "";
    int64_t number = 0;
    if (strncmp(text, head, sizeof head - 1) != 0) {
        return 0;
    }
    text += sizeof head - 1;
    size_t len = strcspn(text, "\n");
    if (len >= sizeof digits || text[len] != '\n') {
        return 0;
    }
    memcpy(digits, text, len);
    return ph_text_to_int64(digits, 1, PH_LIMIT_SEQ, &number) ? number : 0;
}
