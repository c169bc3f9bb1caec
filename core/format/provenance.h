/* User properties by which the broker plugin tells consumers who vouches for a message. */
#ifndef PH_FORMAT_PROVENANCE_H
#define PH_FORMAT_PROVENANCE_H

/* Names that begin so are the plugin's: a sender that uses one is refused. */
#define PH_PROPERTY_PREFIX "ph-"

#define PH_PROPERTY_IDENTITY    "ph-identity"    /* "anchor:tenant/kind/device" */
#define PH_PROPERTY_FINGERPRINT "ph-fingerprint" /* SHA-256 of the certificate, in hexadecimal */

#endif
