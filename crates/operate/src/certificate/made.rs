//! An authority of our own, a leaf that it signs, and when they are to be made anew.

use super::CertificateError;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use std::{ops::Range, time::Duration};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

/// How long certificates hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// The authority's.
    pub authority: Duration,
    /// The leaf's. It is made anew when a third of it is left.
    pub leaf: Duration,
}

impl Default for Life {
    /// Five years, and ninety days.
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self { authority: Duration::from_secs(5 * 365 * DAY), leaf: Duration::from_secs(90 * DAY) }
    }
}

/// A certificate begins this long before it is made, as clocks of machines differ.
const BEFORE: Duration = Duration::from_secs(3_600);

/// Most authorities in a bundle: the one that signs, and those whose leaves may still be in use.
const AUTHORITIES_MAX: usize = 3;

/// An authority and a leaf, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Authorities to trust, the one that signs first.
    pub bundle: String,
    /// The key of the first.
    pub authority_key: String,
    /// The leaf.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Made {
    /// An authority and a leaf for `hosts`, from `now` (Unix seconds) on.
    ///
    /// # Errors
    /// [`CertificateError::Make`].
    pub fn new(hosts: &[String], now: i64, life: Life) -> Result<Self, CertificateError> {
        let authority = authority(now, life)?;
        let (certificate, key) = leaf(&authority, hosts, now, life)?;
        Ok(Self { bundle: authority.pem(), authority_key: authority.key().serialize_pem(), certificate, key })
    }

    /// Does its leaf hold at `now` (Unix seconds)?
    #[must_use]
    pub fn holds(&self, now: i64) -> bool {
        first(&self.certificate).and_then(|leaf| validity(&leaf)).is_some_and(|validity| validity.contains(&now))
    }

    /// What is to take its place at `now`; none: it holds for long enough, and for all `hosts`.
    ///
    /// # Errors
    /// [`CertificateError::Make`].
    pub fn next(&self, hosts: &[String], now: i64, life: Life) -> Result<Option<Self>, CertificateError> {
        // One that has not begun was made by a clock that was far ahead of this one. It is of no use until that time has come.
        let left = |of: Option<Range<i64>>| of.filter(|of| of.contains(&now)).map_or(0, |of| of.end.saturating_sub(now));
        let third = i64::try_from(life.leaf.as_secs() / 3).unwrap_or(i64::MAX);
        let bundle: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(self.bundle.as_bytes()).filter_map(Result::ok).collect();
        let leaf_is_good = first(&self.certificate).is_some_and(|leaf| left(validity(&leaf)) > third && covers(&leaf, hosts));
        // An authority must outlive every leaf that it signs from now on.
        let authority_left = left(bundle.first().and_then(|der| validity(der)));
        let authority_is_good = authority_left > i64::try_from(life.leaf.as_secs()).unwrap_or(i64::MAX);
        if leaf_is_good && authority_is_good {
            return Ok(None);
        }
        if authority_is_good
            && let Ok(key) = KeyPair::from_pem(&self.authority_key)
            && let Some(der) = bundle.first()
            && let Ok(issuer) = Issuer::from_ca_cert_der(der, key)
        {
            let (certificate, key) = leaf(&issuer, hosts, now, life)?;
            return Ok(Some(Self { certificate, key, ..self.clone() }));
        }
        let mut made = Self::new(hosts, now, life)?;
        // Who still shows a leaf of the old authority is trusted until that ends.
        let old = bundle.iter().filter(|der| validity(der).is_some_and(|of| of.end > now)).take(AUTHORITIES_MAX - 1);
        for der in old {
            made.bundle.push_str(&pem(der));
        }
        Ok(Some(made))
    }
}

/// From when until when a certificate holds, Unix seconds; none: it cannot be read.
#[must_use]
pub fn validity(certificate: &CertificateDer<'_>) -> Option<Range<i64>> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    Some(parsed.validity().not_before.timestamp()..parsed.validity().not_after.timestamp())
}

fn first(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

fn covers(certificate: &CertificateDer<'_>, hosts: &[String]) -> bool {
    let Ok((_, parsed)) = parse_x509_certificate(certificate) else { return false };
    let Ok(Some(names)) = parsed.subject_alternative_name() else { return false };
    let has = |host: &String| {
        names.value.general_names.iter().any(|name| match (name, host.parse::<std::net::IpAddr>()) {
            (GeneralName::DNSName(dns), Err(_)) => *dns == host.as_str(),
            (GeneralName::IPAddress(bytes), Ok(std::net::IpAddr::V4(ip))) => **bytes == ip.octets(),
            (GeneralName::IPAddress(bytes), Ok(std::net::IpAddr::V6(ip))) => **bytes == ip.octets(),
            _ => false,
        })
    };
    hosts.iter().all(has)
}

fn pem(der: &CertificateDer<'_>) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn authority(now: i64, life: Life) -> Result<CertifiedIssuer<'static, KeyPair>, CertificateError> {
    let mut parameters = parameters(Vec::new(), now, life.authority)?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    // Two authorities of one name would be confused by who verifies.
    parameters.distinguished_name.push(DnType::CommonName, format!("plimsoll webhook authority {now}"));
    Ok(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?)
}

fn leaf(
    authority: &Issuer<'_, impl rcgen::SigningKey>,
    hosts: &[String],
    now: i64,
    life: Life,
) -> Result<(String, String), CertificateError> {
    let mut parameters = parameters(hosts.to_vec(), now, life.leaf)?;
    parameters.distinguished_name.push(DnType::CommonName, "plimsoll webhook");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((parameters.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

fn parameters(hosts: Vec<String>, now: i64, life: Duration) -> Result<CertificateParams, CertificateError> {
    let mut parameters = CertificateParams::new(hosts)?;
    parameters.distinguished_name = DistinguishedName::new();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = Duration::from_secs(u64::try_from(now).unwrap_or(0));
    parameters.not_before = epoch + now.saturating_sub(BEFORE);
    parameters.not_after = epoch + now.saturating_add(life);
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    fn hosts() -> Vec<String> {
        ["plimsoll-webhook.plimsoll.svc", "127.0.0.1"].map(str::to_owned).to_vec()
    }

    #[test]
    fn what_is_fresh_stays_and_what_has_a_third_left_is_made_anew_under_the_same_authority() {
        let life = Life::default();
        let made = Made::new(&hosts(), NOW, life).unwrap();
        assert_eq!(made.next(&hosts(), NOW, life).unwrap(), None);
        assert_eq!(made.next(&hosts(), NOW + 59 * DAY, life).unwrap(), None);
        let next = made.next(&hosts(), NOW + 61 * DAY, life).unwrap().unwrap();
        assert_eq!((&next.bundle, &next.authority_key), (&made.bundle, &made.authority_key));
        assert_ne!(next.certificate, made.certificate);
        assert_eq!(validity(&first(&next.certificate).unwrap()).map(|of| of.end), Some(NOW + 151 * DAY));
    }

    #[test]
    fn another_name_needs_another_leaf() {
        let life = Life::default();
        let made = Made::new(&hosts()[..1], NOW, life).unwrap();
        assert!(made.next(&hosts(), NOW, life).unwrap().is_some());
    }

    #[test]
    fn an_authority_that_ends_is_trusted_beside_the_next_until_then() {
        let life = Life::default();
        let made = Made::new(&hosts(), NOW, life).unwrap();
        let late = NOW + (5 * 365 - 80) * DAY;
        let next = made.next(&hosts(), late, life).unwrap().unwrap();
        assert_eq!(next.bundle.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(next.bundle.ends_with(&made.bundle.replace("\r\n", "\n")), "{} {}", next.bundle, made.bundle);
        let much_later = NOW + 6 * 365 * DAY;
        assert_eq!(made.next(&hosts(), much_later, life).unwrap().unwrap().bundle.matches("BEGIN CERTIFICATE").count(), 1);
    }

    /// A clock jumps ahead by a hundred days, a leaf is made, and the clock comes back.
    #[test]
    fn what_has_not_begun_is_made_anew() {
        let life = Life::default();
        let made = Made::new(&hosts(), NOW, life).unwrap();
        let ahead = made.next(&hosts(), NOW + 100 * DAY, life).unwrap().unwrap();
        assert!(ahead.holds(NOW + 100 * DAY) && !ahead.holds(NOW));
        let back = ahead.next(&hosts(), NOW, life).unwrap().unwrap();
        assert!(back.holds(NOW));
        assert_eq!(back.bundle, made.bundle, "the authority held all the time");
        // An authority that was made ahead is trusted beside the next: its leaf may be in use.
        let of_the_future = Made::new(&hosts(), NOW + 100 * DAY, life).unwrap();
        let back = of_the_future.next(&hosts(), NOW, life).unwrap().unwrap();
        assert_eq!((back.holds(NOW), back.bundle.matches("BEGIN CERTIFICATE").count()), (true, 2));
    }

    #[test]
    fn what_cannot_be_read_is_made_anew() {
        let broken = Made { bundle: "x".to_owned(), authority_key: String::new(), certificate: "-----".to_owned(), key: String::new() };
        assert!(broken.next(&hosts(), NOW, Life::default()).unwrap().is_some());
    }
}
