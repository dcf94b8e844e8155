//! `plimsoll export`: guardrails in, policies out that a cluster judges by itself.

use super::check::{now, parse_moment, policy};
use crate::{exit::Exit, printer::Printer};
use anyhow::bail;
use clap::{Args, ValueEnum};
use plimsoll_decide::guard::export::{Exported, Form, LeftOut, OnError, export};
use plimsoll_fleet::Timestamp;
use std::{fmt::Write as _, path::PathBuf};

pub const AFTER: &str = "\
Writes the rules that need no state as policies that work without Plimsoll in the cluster. A \
rule at enforce denies, at warn warns, at audit is written to the audit log (Kyverno: to its \
reports). Without --guardrail every rule has its default mode. What the policies leave out is told \
on the standard error and at the head of the file, with the reason: for that there are the webhook \
and plimsoll check.

Rules of your own (customRules) are written too, each with the failure policy that it names; one \
that looks at containers needs Kubernetes 1.34.

The mutating forms write the defaults of guardrails (spec.defaults) in the same way. They fail \
open: an object that they cannot change comes in as it is.

ValidatingAdmissionPolicy: Kubernetes 1.33 or newer; MutatingAdmissionPolicy: 1.36 or newer. Kyverno's \
ValidatingPolicy and MutatingPolicy: seen to work with Kyverno 1.19.

Exit codes: 0 done; 2 it could not be done.

Examples:
  plimsoll export --format validating-admission-policy --guardrail g.yaml |
      kubectl apply -f -
  plimsoll export --format kyverno --guardrail guardrails.yaml -o policies.yaml
  plimsoll export --format kyverno |
      kyverno apply /dev/stdin --resource deployment.yaml";

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The kind of policies to write
    #[arg(long, value_enum)]
    format: Format,

    /// Objects of the kinds Guardrail, Team and Pool to export; may be repeated
    #[arg(long, value_name = "FILE")]
    guardrail: Vec<PathBuf>,

    /// What follows where an object cannot be judged: it is too large, or not as its kind should be
    #[arg(long, value_enum, default_value_t = FailurePolicy::Fail)]
    failure_policy: FailurePolicy,

    /// Export as at this moment (RFC 3339): exemptions that are over are left out
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<Timestamp>,

    /// Write the policies to a file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Kinds of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// ValidatingAdmissionPolicy and its binding (admissionregistration.k8s.io/v1): the API server judges
    ValidatingAdmissionPolicy,
    /// ValidatingPolicy (policies.kyverno.io/v1): Kyverno judges
    Kyverno,
    /// MutatingAdmissionPolicy and its binding (admissionregistration.k8s.io/v1): the API server adds the defaults
    MutatingAdmissionPolicy,
    /// MutatingPolicy (policies.kyverno.io/v1): Kyverno adds the defaults
    KyvernoMutating,
}

/// What follows where an object cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailurePolicy {
    /// As if the rules were broken
    Fail,
    /// It is let in
    Ignore,
}

/// Runs it.
pub fn run(args: &ExportArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let policy = policy(&args.guardrail)?;
    let form = match args.format {
        Format::ValidatingAdmissionPolicy => Form::ValidatingAdmissionPolicy,
        Format::Kyverno => Form::Kyverno,
        Format::MutatingAdmissionPolicy => Form::MutatingAdmissionPolicy,
        Format::KyvernoMutating => Form::KyvernoMutating,
    };
    let on_error = match args.failure_policy {
        FailurePolicy::Fail => OnError::Fail,
        FailurePolicy::Ignore => OnError::Ignore,
    };
    let exported = export(&policy, form, on_error, args.at.unwrap_or_else(now));
    let left_out: Vec<String> = exported.left_out.iter().map(words).collect();
    for line in &left_out {
        printer.note(&format!("left out: {line}"));
    }
    if exported.documents.is_empty() {
        match args.format {
            Format::ValidatingAdmissionPolicy | Format::Kyverno => {
                bail!("no rule that can be exported is in force: set its mode to audit, warn or enforce")
            }
            Format::MutatingAdmissionPolicy | Format::KyvernoMutating => {
                bail!("no guardrail asks for defaults that can be exported: set classLabel, toleration or deadlines of spec.defaults")
            }
        }
    }
    printer.result_to(args.output.as_deref(), &yaml(&exported, &left_out)?)?;
    Ok(Exit::Done)
}

fn words(left_out: &LeftOut) -> String {
    let rule = left_out.rule.as_ref().map(|rule| format!("{rule}: ")).unwrap_or_default();
    let guardrail = left_out.guardrail.as_ref().map(|name| format!(" (Guardrail {name})")).unwrap_or_default();
    let part = if left_out.whole || left_out.rule.is_none() { "" } else { "in part: " };
    format!("{rule}{part}{}{guardrail}", left_out.why)
}

fn yaml(exported: &Exported, left_out: &[String]) -> anyhow::Result<String> {
    let mut text = "# Written by plimsoll export. Change the guardrails and write it anew, rather than this.\n#\n# Left out:\n".to_owned();
    for line in left_out {
        writeln!(text, "# - {line}")?;
    }
    for document in &exported.documents {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(document)?);
    }
    Ok(text)
}
