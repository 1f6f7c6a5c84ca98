//! Notifications as Google sends them, signed with a key that only the simulator has.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use p256::ecdsa::{DerSignature, SigningKey, signature::Signer};
use schemas::time::Interval;
use serde_json::json;

const KEY_ID: u32 = 0x2026_0416;

fn key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).expect("32 bytes below the order of P-256 are a key")
}

/// The public half as a Tink JSON keyset, in the shape of Google's: coordinates of 33 bytes with a leading zero.
#[must_use]
pub fn keyset_json() -> String {
    let point = key().verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes().get(1..).unwrap_or_default().split_at(32);
    // EcdsaPublicKey: field 2 the parameters (SHA-256, P-256, DER), field 3 x, field 4 y.
    let value = [&[0x12, 6, 8, 3, 0x10, 2, 0x18, 2, 0x1a, 33, 0][..], x, &[0x22, 33, 0], y].concat();
    json!({
        "primaryKeyId": KEY_ID,
        "key": [{
            "keyData": {
                "typeUrl": "type.googleapis.com/google.crypto.tink.EcdsaPublicKey",
                "value": STANDARD.encode(value),
                "keyMaterialType": "ASYMMETRIC_PUBLIC",
            },
            "status": "ENABLED", "keyId": KEY_ID, "outputPrefixType": "TINK",
        }],
    })
    .to_string()
}

/// The value of `X-HEALTHAPI-SIGNATURE` for a body.
#[must_use]
pub fn sign(body: &[u8]) -> String {
    let signature: DerSignature = key().sign(body);
    STANDARD.encode([&[1][..], &KEY_ID.to_be_bytes(), signature.as_bytes()].concat())
}

/// The body of both requests of the handshake; the first carries the `Authorization` secret, the second none.
#[must_use]
pub fn verification() -> String {
    json!({"type": "verification"}).to_string()
}

/// The body of a notification: `operation` is `UPSERT` or `DELETE`, `data_type` in kebab case.
#[must_use]
pub fn notification(user: &str, data_type: &str, operation: &str, windows: &[Interval]) -> String {
    let intervals: Vec<_> = windows
        .iter()
        .map(|it| json!({"physicalTimeInterval": {"startTime": it.from.to_string(), "endTime": it.to.to_string()}}))
        .collect();
    json!([{"data": {
        "version": "1",
        "clientProvidedSubscriptionName": "syncwell",
        "healthUserId": user,
        "operation": operation,
        "dataType": data_type,
        "intervals": intervals,
    }}])
    .to_string()
}
