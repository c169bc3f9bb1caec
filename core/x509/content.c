#include "x509/content.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/calendar.h"
#include "base/text.h"

enum {
    ATTRIBUTE_CHARACTERS = 64, /* RFC 5280: ub-organization-name, ub-common-name and so on */
    HOST_NAME_BYTES = 253,
    IP6_BYTES = 16,
    TIME_BYTES = 16, /* "YYYYMMDDHHMMSSZ" */
    TAG_DNS = PH_DER_CONTEXT | 2,
    TAG_IP = PH_DER_CONTEXT | 7,
    TAG_PERMITTED = PH_DER_CONTEXT_CONSTRUCTED | 0,
    TAG_DIRECTORY_NAME = PH_DER_CONTEXT_CONSTRUCTED | 4,
    TAG_EXTENSIONS = PH_DER_CONTEXT_CONSTRUCTED | 3,
};

/* Object identifiers, whole elements. */
static const struct ph_der_text oid_organization = PH_DER_TEXT("\x06\x03\x55\x04\x0A");
static const struct ph_der_text oid_unit = PH_DER_TEXT("\x06\x03\x55\x04\x0B");
static const struct ph_der_text oid_name = PH_DER_TEXT("\x06\x03\x55\x04\x03");
static const struct ph_der_text oid_subject_key_id = PH_DER_TEXT("\x06\x03\x55\x1D\x0E");
static const struct ph_der_text oid_alternative_names = PH_DER_TEXT("\x06\x03\x55\x1D\x11");
static const struct ph_der_text oid_name_constraints = PH_DER_TEXT("\x06\x03\x55\x1D\x1E");
static const struct ph_der_text oid_authority_key_id = PH_DER_TEXT("\x06\x03\x55\x1D\x23");
static const struct ph_der_text critical = PH_DER_TEXT("\x01\x01\xFF");

/* basicConstraints and keyUsage, critical, then extendedKeyUsage: whole extensions. */
#define BASIC(len, value_len, value)                                                               \
    "\x30" len "\x06\x03\x55\x1D\x13\x01\x01\xFF\x04" value_len value
#define ROOT_CA     BASIC("\x0F", "\x05", "\x30\x03\x01\x01\xFF")             /* CA:TRUE */
#define SUBORDINATE BASIC("\x12", "\x08", "\x30\x06\x01\x01\xFF\x02\x01\x00") /* pathlen:0 */
#define LEAF        BASIC("\x0C", "\x02", "\x30\x00")                         /* CA:FALSE */
#define KEY_USAGE   "\x30\x0E\x06\x03\x55\x1D\x0F\x01\x01\xFF\x04\x04\x03\x02"
#define SIGNS_CAS   KEY_USAGE "\x01\x06" /* keyCertSign, cRLSign */
#define SIGNS       KEY_USAGE "\x07\x80" /* digitalSignature */
#define EXTENDED    "\x30\x13\x06\x03\x55\x1D\x25\x04\x0C\x30\x0A\x06\x08\x2B\x06\x01\x05\x05\x07\x03"
#define CLIENT_AUTH EXTENDED "\x02"
#define SERVER_AUTH EXTENDED "\x01"

static const struct ph_der_text profiles[] = {
    [PH_CERTIFICATE_ROOT] = PH_DER_TEXT(ROOT_CA SIGNS_CAS),
    [PH_CERTIFICATE_CLIENT_CA] = PH_DER_TEXT(SUBORDINATE SIGNS_CAS CLIENT_AUTH),
    [PH_CERTIFICATE_SERVER_CA] = PH_DER_TEXT(SUBORDINATE SIGNS_CAS SERVER_AUTH),
    [PH_CERTIFICATE_CLIENT] = PH_DER_TEXT(LEAF SIGNS CLIENT_AUTH),
    [PH_CERTIFICATE_SERVER] = PH_DER_TEXT(LEAF SIGNS SERVER_AUTH),
};

/* ---- check ---- */

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return count;
}

static bool attribute_ok(const char *value)
{
    if (value == NULL) {
        return true;
    }
    size_t characters = count_characters(value);
    return characters > 0 && characters <= ATTRIBUTE_CHARACTERS &&
           ph_text_utf8_valid(value, strlen(value));
}

static bool host_name_ok(const char *name)
{
    size_t len = strlen(name);
    for (const char *c = name; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return false;
        }
    }
    return len > 0 && len <= HOST_NAME_BYTES;
}

/* 4 or 16, 0 for what is no address. */
static size_t parse_address(unsigned char out[IP6_BYTES], const char *text)
{
    if (inet_pton(AF_INET, text, out) == 1) {
        return sizeof(struct in_addr);
    }
    return inet_pton(AF_INET6, text, out) == 1 ? IP6_BYTES : 0;
}

static bool split_time(int64_t time_ms, struct tm *out)
{
    return ph_calendar_split(time_ms / 1000, out) && out->tm_year >= 1950 - 1900 &&
           out->tm_year <= 9999 - 1900;
}

static enum ph_err bad(const struct ph_certificate_content *content, const char *rule,
    const char *value, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_INPUT, "certificate of \"%s\": cannot be made: %s \"%s\"",
        content->name != NULL ? content->name : "", rule, value);
}

static enum ph_err check_attributes(
    const struct ph_certificate_content *content, struct ph_error *error)
{
    const struct {
        const char *rule;
        const char *value;
    } attributes[] = {
        {"O: want 1 to 64 characters of UTF-8, have", content->organization},
        {"OU: want 1 to 64 characters of UTF-8, have", content->unit},
        {"CN: want 1 to 64 characters of UTF-8, have", content->name},
        {"nameConstraints: want 1 to 64 characters of UTF-8, have",
            content->permitted_organization},
    };
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        if (!attribute_ok(attributes[i].value)) {
            return bad(content, attributes[i].rule, attributes[i].value, error);
        }
    }
    return PH_OK;
}

enum ph_err ph_content_check(const struct ph_certificate_content *content, struct ph_error *error)
{
    unsigned char address[IP6_BYTES];
    struct tm tm;
    enum ph_err err = check_attributes(content, error);
    for (size_t i = 0; err == PH_OK && i < content->dns_count; i++) {
        if (!host_name_ok(content->dns[i])) {
            err = bad(content, "want a host name of 1 to 253 ASCII characters, have",
                content->dns[i], error);
        }
    }
    for (size_t i = 0; err == PH_OK && i < content->ip_count; i++) {
        if (parse_address(address, content->ip[i]) == 0) {
            err = bad(content, "want an IPv4 or IPv6 address, have", content->ip[i], error);
        }
    }
    if (err == PH_OK &&
        (!split_time(content->not_before_ms, &tm) || !split_time(content->not_after_ms, &tm))) {
        err = ph_error_set(error, PH_ERR_INPUT,
            "certificate of \"%s\": cannot be made: want times of the years 1950 to 9999",
            content->name != NULL ? content->name : "");
    }
    return err;
}

/* ---- subject and validity ---- */

static void put_attribute(struct ph_der *der, const struct ph_der_text *oid, const char *value)
{
    if (value == NULL) {
        return;
    }
    size_t set = ph_der_begin(der, PH_DER_SET);
    size_t pair = ph_der_begin(der, PH_DER_SEQUENCE);
    ph_der_put_text(der, oid);
    ph_der_element(der, PH_DER_UTF8_STRING, value, strlen(value));
    ph_der_end(der, pair);
    ph_der_end(der, set);
}

void ph_content_put_subject(struct ph_der *der, const struct ph_certificate_content *content)
{
    size_t name = ph_der_begin(der, PH_DER_SEQUENCE);
    put_attribute(der, &oid_organization, content->organization);
    put_attribute(der, &oid_unit, content->unit);
    put_attribute(der, &oid_name, content->name);
    ph_der_end(der, name);
}

/* RFC 5280, 4.1.2.5: two digits for the year until 2049. */
static void put_time(struct ph_der *der, int64_t time_ms)
{
    struct tm tm = {0};
    char text[64];
    (void)split_time(time_ms, &tm);
    int year = tm.tm_year + 1900;
    int skip = year < 2050 ? 2 : 0;
    (void)snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02dZ", year, tm.tm_mon + 1, tm.tm_mday,
        tm.tm_hour, tm.tm_min, tm.tm_sec);
    ph_der_element(der, skip > 0 ? PH_DER_UTC_TIME : PH_DER_GENERALIZED_TIME, text + skip,
        strlen(text + skip));
}

void ph_content_put_validity(struct ph_der *der, const struct ph_certificate_content *content)
{
    size_t validity = ph_der_begin(der, PH_DER_SEQUENCE);
    put_time(der, content->not_before_ms);
    put_time(der, content->not_after_ms);
    ph_der_end(der, validity);
}

/* ---- extensions ---- */

static void put_subject_key_id(struct ph_der *der, const unsigned char key_id[PH_KEY_ID_BYTES])
{
    size_t extension = ph_der_begin(der, PH_DER_SEQUENCE);
    ph_der_put_text(der, &oid_subject_key_id);
    size_t value = ph_der_begin(der, PH_DER_OCTET_STRING);
    ph_der_element(der, PH_DER_OCTET_STRING, key_id, PH_KEY_ID_BYTES);
    ph_der_end(der, value);
    ph_der_end(der, extension);
}

static void put_authority_key_id(struct ph_der *der, const struct ph_der_text *key_id)
{
    size_t extension = ph_der_begin(der, PH_DER_SEQUENCE);
    ph_der_put_text(der, &oid_authority_key_id);
    size_t value = ph_der_begin(der, PH_DER_OCTET_STRING);
    size_t sequence = ph_der_begin(der, PH_DER_SEQUENCE);
    ph_der_element(der, PH_DER_CONTEXT, key_id->bytes, key_id->len);
    ph_der_end(der, sequence);
    ph_der_end(der, value);
    ph_der_end(der, extension);
}

static void put_alternative_names(struct ph_der *der, const struct ph_certificate_content *content)
{
    unsigned char address[IP6_BYTES];
    if (content->dns_count + content->ip_count == 0) {
        return;
    }
    size_t extension = ph_der_begin(der, PH_DER_SEQUENCE);
    ph_der_put_text(der, &oid_alternative_names);
    size_t value = ph_der_begin(der, PH_DER_OCTET_STRING);
    size_t names = ph_der_begin(der, PH_DER_SEQUENCE);
    for (size_t i = 0; i < content->dns_count; i++) {
        ph_der_element(der, TAG_DNS, content->dns[i], strlen(content->dns[i]));
    }
    for (size_t i = 0; i < content->ip_count; i++) {
        ph_der_element(der, TAG_IP, address, parse_address(address, content->ip[i]));
    }
    ph_der_end(der, names);
    ph_der_end(der, value);
    ph_der_end(der, extension);
}

/* RFC 5280, 4.2.1.10: a subject is within a directoryName that it begins with. */
static void put_name_constraints(struct ph_der *der, const struct ph_certificate_content *content)
{
    if (content->permitted_organization == NULL) {
        return;
    }
    size_t extension = ph_der_begin(der, PH_DER_SEQUENCE);
    ph_der_put_text(der, &oid_name_constraints);
    ph_der_put_text(der, &critical);
    size_t value = ph_der_begin(der, PH_DER_OCTET_STRING);
    size_t constraints = ph_der_begin(der, PH_DER_SEQUENCE);
    size_t permitted = ph_der_begin(der, TAG_PERMITTED);
    size_t subtree = ph_der_begin(der, PH_DER_SEQUENCE);
    size_t base = ph_der_begin(der, TAG_DIRECTORY_NAME);
    size_t name = ph_der_begin(der, PH_DER_SEQUENCE);
    put_attribute(der, &oid_organization, content->permitted_organization);
    ph_der_end(der, name);
    ph_der_end(der, base);
    ph_der_end(der, subtree);
    ph_der_end(der, permitted);
    ph_der_end(der, constraints);
    ph_der_end(der, value);
    ph_der_end(der, extension);
}

void ph_content_put_extensions(struct ph_der *der, const struct ph_certificate_content *content,
    const unsigned char key_id[PH_KEY_ID_BYTES], const struct ph_der_text *issuer_key_id)
{
    size_t tagged = ph_der_begin(der, TAG_EXTENSIONS);
    size_t list = ph_der_begin(der, PH_DER_SEQUENCE);
    ph_der_put_text(der, &profiles[content->type]);
    put_subject_key_id(der, key_id);
    put_authority_key_id(der, issuer_key_id);
    put_name_constraints(der, content);
    put_alternative_names(der, content);
    ph_der_end(der, list);
    ph_der_end(der, tagged);
}
