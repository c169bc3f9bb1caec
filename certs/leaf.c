#include "certs/leaf.h"

#include <stdio.h>
#include <string.h>

static bool is_server(const struct ph_ca_order *order)
{
    return order->authority == PH_BROKERS;
}

static const char *kind_of(const struct ph_ca_order *order)
{
    return order->authority == PH_DEVICES ? order->kind : "service";
}

static enum ph_err check_identity(const struct ph_certificate *certificate,
    const struct ph_inventory_entry *entry, struct ph_error *error)
{
    struct ph_identity want = {0};
    struct ph_identity have = {0};
    memcpy(want.tenant, entry->tenant, sizeof want.tenant);
    memcpy(want.kind, entry->kind, sizeof want.kind);
    memcpy(want.device, entry->name, sizeof want.device);
    enum ph_err err = ph_certificate_identity(certificate, &have, error);
    return err != PH_OK || ph_identity_equal(&want, &have)
               ? err
               : ph_error_set(error, PH_ERR_INTERNAL,
                     "%s: the certificate made names somebody else", entry->name);
}

/* The same checks that the broker and the other end will make. */
static enum ph_err check_made(const struct ph_leaf_maker *maker,
    const struct ph_certificate *certificate, const struct ph_inventory_entry *entry,
    struct ph_error *error)
{
    enum ph_usage usage = is_server(maker->order) ? PH_USAGE_SERVER : PH_USAGE_CLIENT;
    int64_t now_ms = maker->order->now_ms;
    bool valid_now = entry->not_before_ms <= now_ms && now_ms <= entry->not_after_ms;
    enum ph_err err = ph_certificate_check_profile(certificate, usage, error);
    if (err == PH_OK && !is_server(maker->order)) {
        err = check_identity(certificate, entry, error);
    }
    if (err != PH_OK) {
        return err;
    }
    if (!valid_now) {
        return ph_trust_check_timeless(maker->trust, certificate, usage, error);
    }
    if (ph_trust_crl_expiry_ms(maker->trust) <= now_ms) {
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: the CRL of %s or of the root has expired: run ph-ca crl --ca %s, for the root's "
            "with "
            "its ca.key in place",
            maker->dir, ph_authority_name(maker->order->authority), maker->dir);
    }
    return ph_trust_check(maker->trust, certificate, usage, now_ms, NULL, NULL, error);
}

static void fill_entry(const struct ph_leaf_maker *maker, const char *name,
    const struct ph_certificate_facts *facts, struct ph_inventory_entry *entry)
{
    static const char *const type_names[PH_AUTHORITY_COUNT] = {
        [PH_DEVICES] = "device", [PH_BROKERS] = "broker", [PH_SERVICES] = "service"};
    const struct ph_ca_order *order = maker->order;
    *entry = (struct ph_inventory_entry){
        .issued_ms = order->now_ms,
        .not_before_ms = facts->not_before_ms,
        .not_after_ms = facts->not_after_ms,
    };
    memcpy(entry->serial, facts->serial, sizeof entry->serial);
    memcpy(entry->fingerprint, facts->fingerprint, sizeof entry->fingerprint);
    (void)snprintf(entry->issuer, sizeof entry->issuer, "%s", ph_authority_name(order->authority));
    (void)snprintf(entry->type, sizeof entry->type, "%s", type_names[order->authority]);
    (void)snprintf(entry->name, sizeof entry->name, "%s", name);
    if (!is_server(order)) {
        (void)snprintf(entry->tenant, sizeof entry->tenant, "%s", order->tenant);
        (void)snprintf(entry->kind, sizeof entry->kind, "%s", kind_of(order));
    }
}

static enum ph_err print(const struct ph_leaf_maker *maker, const struct ph_key *key,
    const struct ph_certificate *certificate, struct ph_leaf *leaf, struct ph_error *error)
{
    enum ph_err err = ph_key_print(key, &leaf->key_pem, error);
    if (err == PH_OK) {
        err = ph_certificate_print(certificate, &leaf->certificate_pem, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_print(maker->ca_certificate, &leaf->certificate_pem, error);
    }
    return err == PH_OK ? ph_certificate_encode(certificate, &leaf->der, error) : err;
}

enum ph_err ph_leaf_make(const struct ph_leaf_maker *maker, const char *name, struct ph_leaf *leaf,
    struct ph_error *error)
{
    const struct ph_ca_order *order = maker->order;
    bool server = is_server(order);
    const struct ph_certificate_content content = {
        .type = server ? PH_CERTIFICATE_SERVER : PH_CERTIFICATE_CLIENT,
        .organization = server ? NULL : order->tenant,
        .unit = server ? "broker" : kind_of(order),
        .name = name,
        .dns = order->dns,
        .dns_count = order->dns_count,
        .ip = order->ip,
        .ip_count = order->ip_count,
        .not_before_ms = order->not_before_ms,
        .not_after_ms = maker->not_after_ms,
    };
    struct ph_key *key = NULL;
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts;
    enum ph_err err = ph_key_new(&key, error);
    if (err == PH_OK) {
        err = ph_certificate_issue(
            &content, key, maker->ca_certificate, maker->ca_key, &certificate, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_facts(certificate, &facts, error);
    }
    if (err == PH_OK) {
        fill_entry(maker, name, &facts, &leaf->entry);
        err = check_made(maker, certificate, &leaf->entry, error);
    }
    if (err == PH_OK) {
        err = print(maker, key, certificate, leaf, error);
    }
    ph_certificate_free(&certificate);
    ph_key_free(&key);
    return err;
}
