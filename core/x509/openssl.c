#include "x509/openssl.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"

void ph_x509_name_print(char *out, size_t size, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = -1;
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        len = BIO_get_mem_data(bio, &text);
    }
    if (len < 0) {
        ph_text_escape(out, size, "?");
    } else {
        ph_text_escape_bytes(out, size, len == 0 ? "" : text, (size_t)len);
    }
    BIO_free(bio);
}

enum ph_err ph_x509_time_ms(
    const ASN1_TIME *time, const char *what, int64_t *out_ms, struct ph_error *error)
{
    struct tm tm = {0};
    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1) {
        return ph_error_set(error, PH_ERR_INPUT, "%s: not a valid time", what);
    }
    *out_ms = ph_calendar_join(&tm) * 1000;
    return PH_OK;
}

static int64_t second_of(int64_t unix_ms)
{
    return unix_ms / 1000 - (unix_ms % 1000 < 0 ? 1 : 0);
}

ASN1_TIME *ph_x509_time_new(int64_t unix_ms)
{
    char text[64];
    struct tm tm = {0};
    if (!ph_calendar_split(second_of(unix_ms), &tm)) {
        return NULL;
    }
    (void)snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    ASN1_TIME *time = ASN1_TIME_new();
    if (time != NULL && ASN1_TIME_set_string_X509(time, text) != 1) {
        ASN1_TIME_free(time);
        time = NULL;
    }
    return time;
}

bool ph_x509_time_fits(int64_t unix_ms)
{
    return (int64_t)(time_t)second_of(unix_ms) == second_of(unix_ms);
}

void ph_x509_time_set(X509_VERIFY_PARAM *param, int64_t unix_ms)
{
    X509_VERIFY_PARAM_set_time(param, (time_t)second_of(unix_ms));
}

void ph_x509_time_print(char *out, const ASN1_TIME *time)
{
    int64_t ms = 0;
    if (ph_x509_time_ms(time, "time", &ms, NULL) == PH_OK) {
        ph_utc_print(out, ms);
    } else {
        ph_text_escape(out, PH_UTC_BYTES, "?");
    }
}

bool ph_x509_serial_ok(const ASN1_INTEGER *serial)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(serial);
    int len = ASN1_STRING_length(serial);
    /* `bytes` is the magnitude; with the top bit set its DER has one more octet. */
    int octets = len > 0 && (bytes[0] & 0x80) != 0 ? len + 1 : len;
    bool zero = len == 0 || (len == 1 && bytes[0] == 0);
    return !zero && octets <= 20 && ASN1_STRING_type(serial) == V_ASN1_INTEGER;
}

bool ph_x509_serial_print(char out[PH_SERIAL_BYTES], const ASN1_INTEGER *serial)
{
    if (!ph_x509_serial_ok(serial)) {
        return false;
    }
    char hex[PH_SERIAL_BYTES];
    ph_hex_encode(hex, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
    return ph_text_copy(out, PH_SERIAL_BYTES, hex + strspn(hex, "0"));
}

struct question {
    const char *passphrase; /* NULL: none to give */
    bool asked;
};

/* pem_password_cb. Given, so that OpenSSL does not ask the terminal. */
static int answer(char *out, int size, int writing, void *context)
{
    (void)writing;
    struct question *question = context;
    question->asked = true;
    size_t len = question->passphrase != NULL ? strlen(question->passphrase) : 0;
    if (question->passphrase == NULL || len > (size_t)size) {
        return -1;
    }
    memcpy(out, question->passphrase, len);
    return (int)len;
}

static enum ph_err no_key(const char *path, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_INPUT,
        "%s: no PEM private key: want an unencrypted block BEGIN PRIVATE KEY (%s)", path,
        ph_x509_reason());
}

static enum ph_err read_key(
    const char *path, struct question *question, EVP_PKEY **out, struct ph_error *error)
{
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    BIO *bio = NULL;
    *out = NULL;
    enum ph_err err = ph_file_load_secret(path, &pem, error);
    if (err == PH_OK) {
        bio = BIO_new_mem_buf(pem.data != NULL ? pem.data : "", (int)pem.len);
        *out = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, answer, question) : NULL;
    }
    BIO_free(bio);
    ph_buf_fini(&pem);
    return err;
}

enum ph_err ph_x509_key_load(const char *path, EVP_PKEY **out, struct ph_error *error)
{
    struct question question = {0};
    enum ph_err err = read_key(path, &question, out, error);
    return err == PH_OK && *out == NULL ? no_key(path, error) : err;
}

enum ph_err ph_x509_key_load_encrypted(
    const char *path, const char *passphrase, EVP_PKEY **out, struct ph_error *error)
{
    struct question question = {.passphrase = passphrase};
    enum ph_err err = read_key(path, &question, out, error);
    if (err != PH_OK || *out != NULL) {
        return err;
    }
    if (!question.asked) {
        return no_key(path, error);
    }
    return passphrase == NULL
               ? ph_error_set(error, PH_ERR_NOT_FOUND,
                     "%s: the private key is encrypted: give its passphrase", path)
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s: the private key cannot be decrypted: the passphrase is wrong, or the "
                     "file damaged",
                     path);
}

enum ph_err ph_x509_bio_append(
    struct ph_buf *out, BIO *bio, const char *what, struct ph_error *error)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);
    enum ph_err err = len < 0 ? PH_ERR_MEMORY : ph_buf_append(out, bytes, (size_t)len);
    return err == PH_OK ? PH_OK : ph_error_set(error, err, "%s: does not fit its buffer", what);
}

const char *ph_x509_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason != NULL ? reason : "no reason given";
}

void ph_x509_errors_begin(void)
{
    (void)ERR_set_mark();
}

void ph_x509_errors_end(void)
{
    (void)ERR_pop_to_mark();
}
