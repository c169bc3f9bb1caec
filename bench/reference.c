#include "reference.h"

#include <mosquitto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum { SIGNATURE_BYTES_MAX = 80 };

struct ph_reference_chain {
    EVP_PKEY *key;
    unsigned char digest[32];
    unsigned char signature[SIGNATURE_BYTES_MAX];
    size_t signature_bytes;
};

bool ph_reference_match(const char *filter, const char *topic)
{
    bool matches = false;
    return mosquitto_topic_matches_sub(filter, topic, &matches) == MOSQ_ERR_SUCCESS && matches;
}

static bool sign(struct ph_reference_chain *chain)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(chain->key, NULL);
    chain->signature_bytes = sizeof chain->signature;
    bool done = context != NULL && EVP_PKEY_sign_init(context) > 0 &&
                EVP_PKEY_sign(context, chain->signature, &chain->signature_bytes, chain->digest,
                    sizeof chain->digest) > 0;
    EVP_PKEY_CTX_free(context);
    return done;
}

enum ph_err ph_reference_chain_new(struct ph_reference_chain **out, struct ph_error *error)
{
    struct ph_reference_chain *chain = calloc(1, sizeof *chain);
    if (chain == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "reference: out of memory");
    }
    chain->key = EVP_EC_gen("P-256");
    if (chain->key == NULL || !sign(chain)) {
        ph_reference_chain_free(&chain);
        return ph_error_set(error, PH_ERR_INTERNAL, "reference: OpenSSL could not sign");
    }
    *out = chain;
    return PH_OK;
}

void ph_reference_chain_free(struct ph_reference_chain **chain)
{
    if (*chain != NULL) {
        EVP_PKEY_free((*chain)->key);
        free(*chain);
        *chain = NULL;
    }
}

static bool verify(const struct ph_reference_chain *chain)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(chain->key, NULL);
    bool good = context != NULL && EVP_PKEY_verify_init(context) > 0 &&
                EVP_PKEY_verify(context, chain->signature, chain->signature_bytes, chain->digest,
                    sizeof chain->digest) > 0;
    EVP_PKEY_CTX_free(context);
    return good;
}

bool ph_reference_chain_verify(const struct ph_reference_chain *chain)
{
    bool leaf = verify(chain);
    bool authority = verify(chain);
    return leaf && authority;
}
