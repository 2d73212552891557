//! An authenticator made of software (WebAuthn Level 3, section 6): it makes passkeys and answers challenges, honestly or not.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const HAS_CREDENTIAL: u8 = 0x40;

/// A passkey and what its authenticator says; a test may have it say something else.
#[derive(Clone)]
pub(crate) struct Passkey {
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) credential: Vec<u8>,
    pub(crate) handle: Vec<u8>,
    /// The relying party that it says it is for.
    pub(crate) domain: String,
    /// The origin that its browser says the page is of.
    pub(crate) origin: String,
    pub(crate) counter: u32,
    pub(crate) verifies: bool,
    pub(crate) cross_origin: bool,
}

impl Passkey {
    /// Makes one as `navigator.credentials.create` is asked to, and what that gives.
    pub(crate) fn make(options: &Value, origin: &str) -> (Self, Value) {
        let options = &options["publicKey"];
        let selection = &options["authenticatorSelection"];
        assert_eq!(
            (&selection["residentKey"], &selection["requireResidentKey"], &selection["userVerification"]),
            (&json!("required"), &json!(true), &json!("required")),
            "{options}"
        );
        assert_eq!(options["attestation"], "none");
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let mut credential = vec![0; 32];
        fill(&mut credential).expect("random bytes");
        let this = Self {
            pkcs8: pkcs8.expect("a key").as_ref().to_vec(),
            credential,
            handle: decode(&options["user"]["id"]),
            domain: options["rp"]["id"].as_str().expect("a relying party").to_owned(),
            origin: origin.to_owned(),
            counter: 0,
            verifies: true,
            cross_origin: false,
        };
        let made = this.made(options);
        (this, made)
    }

    /// What `navigator.credentials.create` gives for this passkey and these options.
    pub(crate) fn made(&self, options: &Value) -> Value {
        let point = self.key().public_key().as_ref().to_vec();
        let (x, y) = point[1..].split_at(32);
        let mut data = self.authenticator_data(HAS_CREDENTIAL);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.credential.len()).expect("a short id").to_be_bytes());
        data.extend(&self.credential);
        // A COSE key (RFC 9053, section 7.1): EC2, ES256, P-256, x and y.
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(x);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(y);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).expect("less than 256 bytes"));
        object.extend(data);
        self.credential(json!({
            "clientDataJSON": encode(&self.client_data("webauthn.create", options)),
            "attestationObject": encode(&object),
            "transports": ["internal"],
        }))
    }

    /// What `navigator.credentials.get` gives.
    pub(crate) fn answer(&mut self, options: &Value) -> Value {
        let options = &options["publicKey"];
        assert_eq!((&options["userVerification"], &options["allowCredentials"]), (&json!("required"), &json!([])));
        self.counter += 1;
        let client_data = self.client_data("webauthn.get", options);
        let data = self.authenticator_data(0);
        let signed = [data.as_slice(), digest(&SHA256, &client_data).as_ref()].concat();
        let signature = self.key().sign(&SystemRandom::new(), &signed).expect("it signs");
        self.credential(json!({
            "clientDataJSON": encode(&client_data),
            "authenticatorData": encode(&data),
            "signature": encode(signature.as_ref()),
            "userHandle": encode(&self.handle),
        }))
    }

    fn key(&self) -> EcdsaKeyPair {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.pkcs8).expect("a key")
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let verified = if self.verifies { USER_VERIFIED } else { 0 };
        let mut data = digest(&SHA256, self.domain.as_bytes()).as_ref().to_vec();
        data.push(USER_PRESENT | verified | flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
        });
        data.to_string().into_bytes()
    }

    fn credential(&self, response: Value) -> Value {
        let id = encode(&self.credential);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} })
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn decode(text: &Value) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_str().expect("text").as_bytes()).expect("base64url")
}
