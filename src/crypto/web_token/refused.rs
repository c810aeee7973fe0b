//! Why a token is refused: a stable name for programs, a sentence for integrators.

/// Why a token is refused. None of it repeats anything of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The tenant trusts no issuer.
    #[error("this tenant has no web_token settings, so nobody's token is trusted")]
    NotConfigured,
    /// Longer than [`MAX_TOKEN`](super::MAX_TOKEN).
    #[error("is longer than 8,192 bytes")]
    TooLong,
    /// No compact JWT in strict base64url, or no JSON objects in it.
    #[error("is no JSON Web Token in compact form: three parts in base64url without padding")]
    Malformed,
    /// A member stands twice in the header or the claims.
    #[error("has a member twice in its header or claims")]
    DuplicateMember,
    /// The header brings its own key, or asks for what is not served.
    #[error("has a header parameter that is not served: jwk, jku, x5u, x5c, crit, b64, zip or enc")]
    ForbiddenHeader,
    /// `alg` is none of the three.
    #[error("is not signed with RS256, ES256 or EdDSA")]
    UnsupportedAlgorithm,
    /// `typ` is neither JWT nor at+jwt.
    #[error("has a typ that is neither JWT nor at+jwt")]
    WrongType,
    /// A claim is missing or of another type.
    #[error("lacks iss, sub, aud or exp, or has one of them, nbf or iat in another form")]
    BadClaim,
    /// No trusted key has its `kid`.
    #[error("is signed with a key that this tenant does not trust")]
    UnknownKey,
    /// The key that it names is for another algorithm.
    #[error("names another algorithm than its key is for")]
    WrongAlgorithm,
    /// The signature does not verify.
    #[error("has a signature that does not verify")]
    BadSignature,
    /// `iss` is not the tenant's.
    #[error("has an issuer that is not the one in this tenant's settings")]
    WrongIssuer,
    /// `aud` has not the tenant's.
    #[error("is not made out to the audience in this tenant's settings")]
    WrongAudience,
    /// `exp` is past.
    #[error("has expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("is not valid yet: nbf or iat lies in the future")]
    NotYetValid,
}

impl Refused {
    /// The stable name, as in the `cause` of an error's metadata.
    pub fn cause(self) -> &'static str {
        match self {
            Self::NotConfigured => "NOT_CONFIGURED",
            Self::TooLong => "TOO_LONG",
            Self::Malformed => "MALFORMED",
            Self::DuplicateMember => "DUPLICATE_MEMBER",
            Self::ForbiddenHeader => "FORBIDDEN_HEADER",
            Self::UnsupportedAlgorithm => "UNSUPPORTED_ALGORITHM",
            Self::WrongType => "WRONG_TYPE",
            Self::BadClaim => "BAD_CLAIM",
            Self::UnknownKey => "UNKNOWN_KEY",
            Self::WrongAlgorithm => "WRONG_ALGORITHM",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::WrongIssuer => "WRONG_ISSUER",
            Self::WrongAudience => "WRONG_AUDIENCE",
            Self::Expired => "EXPIRED",
            Self::NotYetValid => "NOT_YET_VALID",
        }
    }
}
