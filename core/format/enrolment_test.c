/* ph.format.enrolment: docs/spec/enrolment.md, the messages. */
#include "format/enrolment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

#define ID   "0123456789abcdef0123456789abcdef"
#define HASH ID ID
#define CSR  "-----BEGIN CERTIFICATE REQUEST-----\\nMIHr\\n-----END CERTIFICATE REQUEST-----\\n"
#define CERT "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n"
#define CMS  "-----BEGIN CMS-----\\nMIIB\\n-----END CMS-----\\n"

#define ASK(type)    "{\"v\":1,\"ask\":\"" type "\",\"id\":\"" ID "\""
#define ANSWER(type) "{\"v\":1,\"answer\":\"" type "\",\"id\":\"" ID "\""
#define TIME                                                                                       \
    "{\"v\":1,\"statement\":\"time\",\"device\":\"acme/thermostat/t-0001\",\"nonce\":\"" ID "\""

/* ---- reading and writing ---- */

/* [ENR-1] [ENR-12] */
static void asks_read_and_write_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {
        ASK("enroll") ",\"csr\":\"" CSR "\"}",
        ASK("enroll") ",\"csr\":\"" CSR "\",\"kind\":\"thermostat\",\"name\":\"t-0001\","
                      "\"serial\":\"SN 42/\\\"\xc3\xa4\",\"proof\":\"" CMS "\"}",
        ASK("renew") ",\"csr\":\"" CSR "\"}",
        ASK("state") ",\"certificate\":\"" HASH "\",\"trust\":\"" HASH "\"}",
        ASK("time") "}",
    };
    struct ph_buf buf;
    ph_buf_init(&buf, PH_LIMIT_ASK_BYTES);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ph_ask ask;
        struct ph_ask_message *message = NULL;
        struct ph_error error = {0};
        if (ph_ask_parse(texts[i], strlen(texts[i]), &message, &ask, &error) != PH_OK) {
            fail_msg("%s: %s", texts[i], error.message);
        }
        assert_string_equal(ask.id, ID);
        ph_buf_reset(&buf);
        assert_int_equal(ph_ask_encode(&ask, &buf, NULL), PH_OK);
        assert_string_equal(buf.data, texts[i]);
        ph_ask_message_free(&message);
        assert_null(message);
    }
    ph_buf_fini(&buf);
}

/* [ENR-1] */
static void an_ask_is_what_it_says(void **state)
{
    (void)state;
    static const char text[] =
        ASK("enroll") ",\"csr\":\"" CSR "\",\"name\":\"t-0001\",\"serial\":\"SN 42\"}";
    struct ph_ask ask;
    struct ph_ask_message *message = NULL;
    assert_int_equal(ph_ask_parse(text, sizeof text - 1, &message, &ask, NULL), PH_OK);
    assert_int_equal(ask.type, PH_ASK_ENROLL);
    assert_string_equal(
        ask.csr, "-----BEGIN CERTIFICATE REQUEST-----\nMIHr\n-----END CERTIFICATE REQUEST-----\n");
    assert_string_equal(ask.name, "t-0001");
    assert_string_equal(ask.serial, "SN 42");
    assert_null(ask.kind);
    assert_null(ask.proof);
    assert_null(ask.certificate);
    assert_null(ask.trust);
    ph_ask_message_free(&message);
}

/* [ENR-1] [ENR-12] */
static void answers_read_and_write_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {
        ANSWER("certificate") ",\"certificate\":\"" CERT "\"}",
        ANSWER("certificate") ",\"certificate\":\"" CERT "\",\"renew_ms\":253402300799999}",
        ANSWER("wait") ",\"reason\":\"waits for \\\"approval\\\"\",\"retry_s\":1}",
        ANSWER("refused") ",\"reason\":\"claim used up\",\"retry_s\":2147483647}",
        ANSWER("state") "}",
        ANSWER("state") ",\"renew_ms\":1790000000123,\"trust\":\"" CMS "\"}",
        ANSWER("time") ",\"token\":\"" CMS "\"}",
    };
    struct ph_buf buf;
    ph_buf_init(&buf, PH_LIMIT_ANSWER_BYTES);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ph_answer answer;
        struct ph_answer_message *message = NULL;
        struct ph_error error = {0};
        if (ph_answer_parse(texts[i], strlen(texts[i]), &message, &answer, &error) != PH_OK) {
            fail_msg("%s: %s", texts[i], error.message);
        }
        ph_buf_reset(&buf);
        assert_int_equal(ph_answer_encode(&answer, &buf, NULL), PH_OK);
        assert_string_equal(buf.data, texts[i]);
        ph_answer_message_free(&message);
        assert_null(message);
    }
    ph_buf_fini(&buf);
}

/* [ENR-9] [ENR-10] [ENR-12] */
static void statements_read_and_write_the_same(void **state)
{
    (void)state;
    static const char time_text[] = TIME ",\"time\":1790000000123}";
    static const char trust_text[] =
        "{\"v\":1,\"statement\":\"trust\",\"number\":9007199254740991,\"bundle\":\""
        "# phonehome trusted CAs, number 9007199254740991\\n# more\\n" CERT "\"}";
    struct ph_time_statement time;
    struct ph_trust_statement trust;
    struct ph_trust_message *message = NULL;
    struct ph_buf buf;
    ph_buf_init(&buf, PH_LIMIT_STATEMENT_BYTES);

    assert_int_equal(ph_time_statement_parse(time_text, sizeof time_text - 1, &time, NULL), PH_OK);
    assert_string_equal(time.device, "acme/thermostat/t-0001");
    assert_string_equal(time.nonce, ID);
    assert_true(time.time_ms == INT64_C(1790000000123));
    assert_int_equal(ph_time_statement_encode(&time, &buf, NULL), PH_OK);
    assert_string_equal(buf.data, time_text);

    ph_buf_reset(&buf);
    assert_int_equal(
        ph_trust_statement_parse(trust_text, sizeof trust_text - 1, &message, &trust, NULL), PH_OK);
    assert_true(trust.number == PH_LIMIT_SEQ);
    assert_int_equal(ph_trust_statement_encode(&trust, &buf, NULL), PH_OK);
    assert_string_equal(buf.data, trust_text);
    ph_trust_message_free(&message);
    ph_buf_fini(&buf);
}

/* ---- refusals ---- */

typedef enum ph_err parse(const char *text, size_t len, struct ph_error *error);

static enum ph_err parse_ask(const char *text, size_t len, struct ph_error *error)
{
    struct ph_ask ask;
    struct ph_ask_message *message = NULL;
    enum ph_err err = ph_ask_parse(text, len, &message, &ask, error);
    assert_true((err == PH_OK) == (message != NULL));
    assert_true(err == PH_OK || (ask.csr == NULL && ask.id[0] == '\0'));
    ph_ask_message_free(&message);
    return err;
}

static enum ph_err parse_answer(const char *text, size_t len, struct ph_error *error)
{
    struct ph_answer answer;
    struct ph_answer_message *message = NULL;
    enum ph_err err = ph_answer_parse(text, len, &message, &answer, error);
    assert_true((err == PH_OK) == (message != NULL));
    assert_true(err == PH_OK || (answer.certificate == NULL && answer.id[0] == '\0'));
    ph_answer_message_free(&message);
    return err;
}

static enum ph_err parse_time(const char *text, size_t len, struct ph_error *error)
{
    struct ph_time_statement statement;
    enum ph_err err = ph_time_statement_parse(text, len, &statement, error);
    assert_true(err == PH_OK || statement.time_ms == 0);
    return err;
}

static enum ph_err parse_trust(const char *text, size_t len, struct ph_error *error)
{
    struct ph_trust_statement statement;
    struct ph_trust_message *message = NULL;
    enum ph_err err = ph_trust_statement_parse(text, len, &message, &statement, error);
    assert_true((err == PH_OK) == (message != NULL));
    assert_true(err == PH_OK || statement.bundle == NULL);
    ph_trust_message_free(&message);
    return err;
}

struct refusal {
    const char *text;
    const char *message;
};

static void expect_refusals(parse *read, const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ph_error error = {0};
        enum ph_err err = read(refusals[i].text, strlen(refusals[i].text), &error);
        if (err != PH_ERR_INPUT || strstr(error.message, refusals[i].message) == NULL) {
            fail_msg("%s: %s", refusals[i].text, error.message);
        }
    }
}

#define EXPECT_REFUSALS(read, refusals)                                                            \
    expect_refusals(read, refusals, sizeof(refusals) / sizeof(refusals)[0])

/* [ENR-1] */
static void bad_asks_are_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"", "json: byte 0"},
        {"[]", "ask: want an object"},
        {"{}", "ask: v: want 1"},
        {"{\"v\":2,\"ask\":\"time\",\"id\":\"" ID "\"}", "ask: v: want 1"},
        {"{\"v\":\"1\",\"ask\":\"time\",\"id\":\"" ID "\"}", "ask: v: want 1"},
        {"{\"v\":1,\"id\":\"" ID "\"}", "ask: type \"\": missing or unknown"},
        {"{\"v\":1,\"ask\":3,\"id\":\"" ID "\"}", "ask: type \"\": missing or unknown"},
        {ASK("certificate") "}", "ask: type \"certificate\": missing or unknown"},
        {ASK("TIME") "}", "ask: type \"TIME\": missing or unknown"},
        {ASK("time") ",\"answer\":\"time\"}", "ask: unknown member \"answer\""},
        {ASK("time") ",\"more\":1}", "ask: unknown member \"more\" in type \"time\""},
        {ASK("time") ",\"csr\":\"" CSR "\"}", "ask: unknown member \"csr\" in type \"time\""},
        {ASK("renew") ",\"csr\":\"" CSR "\",\"name\":\"t-2\"}",
            "ask: unknown member \"name\" in type \"renew\""},
        {ASK("renew") ",\"csr\":\"" CSR "\",\"proof\":\"" CMS "\"}",
            "ask: unknown member \"proof\" in type \"renew\""},
        {ASK("enroll") ",\"csr\":\"" CSR "\",\"trust\":\"" HASH "\"}",
            "ask: unknown member \"trust\" in type \"enroll\""},
        {ASK("renew") "}", "ask: csr: missing"},
        {ASK("enroll") ",\"name\":\"t-2\"}", "ask: csr: missing"},
        {ASK("state") ",\"trust\":\"" HASH "\"}", "ask: certificate: missing"},
        {ASK("state") ",\"certificate\":\"" HASH "\"}", "ask: trust: missing"},
        {ASK("time") ",\"id\":\"" ID "\"}", "json: key \"id\" is there twice"},
        {ASK("time") "}x", "bytes after the document"},
    };
    EXPECT_REFUSALS(parse_ask, refusals);
}

#define ENROLL(member) ASK("enroll") ",\"csr\":\"" CSR "\"," member "}"

/* [ENR-3] [ENR-4] [ENR-5] [ENR-6] [ENR-7] */
static void bad_values_in_asks_are_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"v\":1,\"ask\":\"time\"}", "ask: id: missing"},
        {"{\"v\":1,\"ask\":\"time\",\"id\":7}", "ask: id: want 32 lower-case hexadecimal digits"},
        {"{\"v\":1,\"ask\":\"time\",\"id\":\"\"}", "ask: id: want 32 lower-case"},
        {"{\"v\":1,\"ask\":\"time\",\"id\":\"" ID "0\"}", "ask: id: want 32 lower-case"},
        {"{\"v\":1,\"ask\":\"time\",\"id\":\"0123456789ABCDEF0123456789abcdef\"}",
            "ask: id: want 32 lower-case"},
        {"{\"v\":1,\"ask\":\"time\",\"id\":\"0123456789abcdef0123456789abcd/+\"}",
            "ask: id: want 32 lower-case"},
        {ASK("renew") ",\"csr\":null}", "ask: csr: want PEM of at most 16384 bytes"},
        {ASK("renew") ",\"csr\":\"\"}", "ask: csr: want PEM"},
        {ASK("renew") ",\"csr\":\"MIHr\"}", "ask: csr: want PEM"},
        {ASK("renew") ",\"csr\":\"# comment\\n" CSR "\"}", "ask: csr: want PEM"},
        {ASK("renew") ",\"csr\":\"-----BEGIN \\u001b[31m\"}", "ask: csr: want PEM"},
        {ASK("renew") ",\"csr\":\"-----BEGIN \xc3\xa4\"}", "ask: csr: want PEM"},
        {ENROLL("\"kind\":\"\""), "ask: kind: want 1 to 64 of A-Z a-z 0-9 . _ -"},
        {ENROLL("\"kind\":\"a/b\""), "ask: kind: want 1 to 64"},
        {ENROLL("\"kind\":\"+\""), "ask: kind: want 1 to 64"},
        {ENROLL("\"name\":\".hidden\""), "ask: name: want 1 to 64"},
        {ENROLL("\"name\":\"" HASH "0\""), "ask: name: want 1 to 64"},
        {ENROLL("\"name\":[\"t-1\"]"), "ask: name: want 1 to 64"},
        {ENROLL("\"serial\":\"\""), "ask: serial: want one line of 1 to 128 bytes"},
        {ENROLL("\"serial\":\"" HASH HASH "0\""), "ask: serial: want one line of 1 to 128"},
        {ENROLL("\"serial\":\"a\\nb\""), "ask: serial: want one line"},
        {ENROLL("\"serial\":\"a\\tb\""), "ask: serial: want one line"},
        {ENROLL("\"serial\":\"a\\u202eb\""), "ask: serial: want one line"},
        {ENROLL("\"serial\":12345"), "ask: serial: want one line"},
        {ENROLL("\"proof\":\"no\""), "ask: proof: want PEM of at most 24576 bytes"},
        {ASK("state") ",\"certificate\":\"" ID "\",\"trust\":\"" HASH "\"}",
            "ask: certificate: want 64 lower-case hexadecimal digits"},
        {ASK("state") ",\"certificate\":\"" HASH "\",\"trust\":\"" HASH "ab\"}",
            "ask: trust: want 64 lower-case hexadecimal digits"},
    };
    EXPECT_REFUSALS(parse_ask, refusals);
}

/* [ENR-1] [ENR-4] [ENR-7] [ENR-8] */
static void bad_answers_are_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"7", "answer: want an object"},
        {ANSWER("renew") "}", "answer: type \"renew\": missing or unknown"},
        {ANSWER("state") ",\"reason\":\"no\"}", "answer: unknown member \"reason\""},
        {ANSWER("state") ",\"token\":\"" CMS "\"}", "answer: unknown member \"token\""},
        {ANSWER("certificate") ",\"certificate\":\"" CERT "\",\"trust\":\"" CMS "\"}",
            "answer: unknown member \"trust\" in type \"certificate\""},
        {ANSWER("certificate") "}", "answer: certificate: missing"},
        {ANSWER("certificate") ",\"certificate\":\"none\"}",
            "answer: certificate: want PEM of at most 16384 bytes"},
        {ANSWER("certificate") ",\"certificate\":\"" CERT "\",\"renew_ms\":0}",
            "answer: renew_ms: want a whole number from 1 to 253402300799999"},
        {ANSWER("state") ",\"renew_ms\":253402300800000}", "answer: renew_ms: want a whole"},
        {ANSWER("state") ",\"renew_ms\":1.5}", "answer: renew_ms: want a whole"},
        {ANSWER("state") ",\"renew_ms\":\"1\"}", "answer: renew_ms: want a whole"},
        {ANSWER("wait") ",\"retry_s\":1}", "answer: reason: missing"},
        {ANSWER("refused") ",\"reason\":\"no\"}", "answer: retry_s: missing"},
        {ANSWER("wait") ",\"reason\":\"no\",\"retry_s\":0}",
            "answer: retry_s: want a whole number from 1 to 2147483647"},
        {ANSWER("wait") ",\"reason\":\"no\",\"retry_s\":2147483648}", "answer: retry_s: want"},
        {ANSWER("wait") ",\"reason\":\"no\",\"retry_s\":-1}", "answer: retry_s: want"},
        {ANSWER("wait") ",\"reason\":\"a\\r\\nb\",\"retry_s\":1}",
            "answer: reason: want one line of 1 to 256 bytes"},
        {ANSWER("wait") ",\"reason\":\"" HASH HASH HASH HASH "0\",\"retry_s\":1}",
            "answer: reason: want one line of 1 to 256 bytes"},
        {ANSWER("time") "}", "answer: token: missing"},
        {ANSWER("time") ",\"token\":1790000000123}", "answer: token: want PEM"},
        {ANSWER("state") ",\"trust\":{}}", "answer: trust: want PEM of at most 49152 bytes"},
    };
    EXPECT_REFUSALS(parse_answer, refusals);
}

/* [ENR-9] [ENR-10] */
static void bad_statements_are_refused(void **state)
{
    (void)state;
#define TRUST(members) "{\"v\":1,\"statement\":\"trust\"," members "}"
    static const struct refusal times[] = {
        {TRUST("\"number\":1,\"bundle\":\"" CERT "\""), "statement: type \"trust\": missing or"},
        {TIME "}", "statement: time: missing"},
        {TIME ",\"time\":0}", "statement: time: want a whole number from 1 to"},
        {TIME ",\"time\":1,\"zone\":2}", "statement: unknown member \"zone\""},
        {"{\"v\":1,\"statement\":\"time\",\"device\":\"t-0001\",\"nonce\":\"" ID "\",\"time\":1}",
            "statement: device: want tenant/kind/device"},
        {"{\"v\":1,\"statement\":\"time\",\"device\":\"a/b\",\"nonce\":\"" ID "\",\"time\":1}",
            "statement: device: want tenant/kind/device"},
        {"{\"v\":1,\"statement\":\"time\",\"device\":\"a/b/c/d\",\"nonce\":\"" ID "\",\"time\":1}",
            "statement: device: want tenant/kind/device"},
        {"{\"v\":1,\"statement\":\"time\",\"device\":\"a/b/" HASH "0\",\"nonce\":\"" ID
         "\",\"time\":1}",
            "statement: device: want tenant/kind/device"},
        {"{\"v\":1,\"statement\":\"time\",\"device\":\"a//c\",\"nonce\":\"" ID "\",\"time\":1}",
            "statement: device: want tenant/kind/device"},
        {"{\"v\":1,\"statement\":\"time\",\"device\":\"a/b/c\",\"time\":1}",
            "statement: nonce: missing"},
    };
    static const struct refusal trusts[] = {
        {TIME ",\"time\":1}", "statement: type \"time\": missing or unknown"},
        {TRUST("\"bundle\":\"" CERT "\""), "statement: number: missing"},
        {TRUST("\"number\":0,\"bundle\":\"" CERT "\""), "statement: number: want a whole number"},
        {TRUST("\"number\":9007199254740992,\"bundle\":\"" CERT "\""), "statement: number: want"},
        {TRUST("\"number\":1"), "statement: bundle: missing"},
        {TRUST("\"number\":1,\"bundle\":\"# comment\\n\""), "statement: bundle: want PEM"},
        {TRUST("\"number\":1,\"bundle\":\"# comment " CERT "\""), "statement: bundle: want PEM"},
        {TRUST("\"number\":1,\"bundle\":\"text\\n" CERT "\""), "statement: bundle: want PEM"},
        {TRUST("\"number\":1,\"bundle\":\"\""), "statement: bundle: want PEM of at most 24576"},
    };
    EXPECT_REFUSALS(parse_time, times);
    EXPECT_REFUSALS(parse_trust, trusts);
}

/* ---- bounds ---- */

static char *pem_of(size_t len)
{
    static const char begin[] = "-----BEGIN ";
    char *pem = malloc(len + 1);
    assert_non_null(pem);
    memset(pem, 'A', len);
    memcpy(pem, begin, sizeof begin - 1);
    pem[len] = '\0';
    return pem;
}

/* [ENR-2] [ENR-4] */
static void sizes_are_bounded(void **state)
{
    (void)state;
    char *message = malloc(PH_LIMIT_ANSWER_BYTES + 100);
    assert_non_null(message);
    for (size_t len = PH_LIMIT_CERTIFICATE_BYTES; len <= PH_LIMIT_CERTIFICATE_BYTES + 1; len++) {
        char *pem = pem_of(len);
        struct ph_error error = {0};
        int size = sprintf(message, ASK("renew") ",\"csr\":\"%s\"}", pem);
        assert_int_equal(parse_ask(message, (size_t)size, &error),
            len == PH_LIMIT_CERTIFICATE_BYTES ? PH_OK : PH_ERR_INPUT);
        free(pem);
    }
    static const struct {
        parse *read;
        const char *text;
        size_t max;
        const char *message;
    } cases[] = {
        {parse_ask, ASK("time") "}", PH_LIMIT_ASK_BYTES, "ask: want at most 49152 bytes, have 49"},
        {parse_answer, ANSWER("state") "}", PH_LIMIT_ANSWER_BYTES,
            "answer: want at most 65536 bytes, have 65537"},
        {parse_time, TIME ",\"time\":1}", PH_LIMIT_STATEMENT_BYTES,
            "statement: want at most 49152 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        memset(message, ' ', cases[i].max + 1);
        memcpy(message, cases[i].text, strlen(cases[i].text));
        assert_int_equal(cases[i].read(message, cases[i].max, NULL), PH_OK);
        assert_int_equal(cases[i].read(message, cases[i].max + 1, &error), PH_ERR_LIMIT);
        assert_non_null(strstr(error.message, cases[i].message));
    }
    free(message);
}

/* [ENR-13] What the limits of its members admit fits into a message. */
static void the_largest_messages_fit(void **state)
{
    (void)state;
    char *csr = pem_of(PH_LIMIT_CERTIFICATE_BYTES);
    char *proof = pem_of(PH_LIMIT_PROOF_BYTES);
    char *signed_text = pem_of(PH_LIMIT_STATEMENT_BYTES);
    char *bundle = pem_of(PH_LIMIT_TRUST_BYTES);
    for (size_t i = 64; i < PH_LIMIT_STATEMENT_BYTES; i += 65) { /* the lines of PEM */
        signed_text[i] = '\n';
        if (i < PH_LIMIT_TRUST_BYTES) {
            bundle[i] = '\n';
        }
    }
    const struct ph_ask ask = {
        .type = PH_ASK_ENROLL, .id = ID, .csr = csr, .serial = HASH HASH, .proof = proof};
    const struct ph_answer answer = {
        .type = PH_ANSWER_STATE, .id = ID, .renew_ms = 1, .trust = signed_text};
    const struct ph_trust_statement trust = {.number = PH_LIMIT_SEQ, .bundle = bundle};
    struct ph_buf buf;
    ph_buf_init(&buf, PH_LIMIT_ANSWER_BYTES);
    assert_int_equal(ph_ask_encode(&ask, &buf, NULL), PH_OK);
    ph_buf_reset(&buf);
    assert_int_equal(ph_answer_encode(&answer, &buf, NULL), PH_OK);
    ph_buf_reset(&buf);
    assert_int_equal(ph_trust_statement_encode(&trust, &buf, NULL), PH_OK);
    assert_true(buf.len < PH_LIMIT_STATEMENT_BYTES * 3 / 4 - 8192); /* room to be signed */
    ph_buf_fini(&buf);
    free(csr);
    free(proof);
    free(signed_text);
    free(bundle);
}

/* [ENR-12] */
static void unsound_messages_are_not_written(void **state)
{
    (void)state;
    static const struct {
        struct ph_ask ask;
        const char *message;
    } asks[] = {
        {{.type = PH_ASK_TIME}, "ask: id: missing"},
        {{.type = PH_ASK_TIME, .id = "short"}, "ask: id: want 32"},
        {{.type = PH_ASK_TIME, .id = ID, .name = "t-1"},
            "ask: name: has no place in type \"time\""},
        {{.type = PH_ASK_RENEW, .id = ID}, "ask: csr: missing"},
        {{.type = PH_ASK_STATE, .id = ID, .certificate = HASH, .trust = "x"},
            "ask: trust: want 64"},
        {{.type = (enum ph_ask_type)9, .id = ID}, "ask: unknown type"},
    };
    static const struct {
        struct ph_answer answer;
        const char *message;
    } answers[] = {
        {{.type = PH_ANSWER_WAIT, .id = ID, .reason = "no"}, "answer: retry_s: missing"},
        {{.type = PH_ANSWER_WAIT, .id = ID, .reason = "no", .retry_s = -1},
            "answer: retry_s: want"},
        {{.type = PH_ANSWER_STATE, .id = ID, .retry_s = 1}, "answer: retry_s: has no place"},
        {{.type = PH_ANSWER_REFUSED, .id = ID, .reason = "a\nb", .retry_s = 1},
            "answer: reason: want"},
    };
    struct ph_buf buf;
    ph_buf_init(&buf, PH_LIMIT_ASK_BYTES);
    assert_int_equal(ph_buf_append_text(&buf, "keep"), PH_OK);
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_ask_encode(&asks[i].ask, &buf, &error), PH_ERR_INTERNAL);
        assert_non_null(strstr(error.message, asks[i].message));
    }
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_answer_encode(&answers[i].answer, &buf, &error), PH_ERR_INTERNAL);
        assert_non_null(strstr(error.message, answers[i].message));
    }
    assert_string_equal(buf.data, "keep");
    ph_buf_fini(&buf);

    const struct ph_ask good = {.type = PH_ASK_TIME, .id = ID};
    struct ph_error error = {0};
    ph_buf_init(&buf, 40);
    assert_int_equal(ph_ask_encode(&good, &buf, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "ask: does not fit"));
    assert_int_equal(buf.len, 0);
    ph_buf_fini(&buf);
}

/* [ENR-11] */
static void a_bundle_says_its_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t number;
    } cases[] = {
        {"# phonehome trusted CAs, number 3\n-----BEGIN", 3},
        {"# phonehome trusted CAs, number 9007199254740991\n", PH_LIMIT_SEQ},
        {"# phonehome trusted CAs, number 9007199254740992\n", 0},
        {"# phonehome trusted CAs, number 99999999999999999999999\n", 0},
        {"# phonehome trusted CAs, number 0\n", 0},
        {"# phonehome trusted CAs, number -3\n", 0},
        {"# phonehome trusted CAs, number 3 \n", 0},
        {"# phonehome trusted CAs, number \n", 0},
        {"# phonehome trusted CAs, number 3", 0},
        {"\n# phonehome trusted CAs, number 3\n", 0},
        {"-----BEGIN CERTIFICATE-----\n", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(ph_trust_bundle_number(cases[i].text) == cases[i].number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_read_and_write_the_same),
        cmocka_unit_test(an_ask_is_what_it_says),
        cmocka_unit_test(answers_read_and_write_the_same),
        cmocka_unit_test(statements_read_and_write_the_same),
        cmocka_unit_test(bad_asks_are_refused),
        cmocka_unit_test(bad_values_in_asks_are_refused),
        cmocka_unit_test(bad_answers_are_refused),
        cmocka_unit_test(bad_statements_are_refused),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(the_largest_messages_fit),
        cmocka_unit_test(unsound_messages_are_not_written),
        cmocka_unit_test(a_bundle_says_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
