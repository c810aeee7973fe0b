//! What external ids of a namespace count for when a tenant has said nothing of
//! it.

use super::junk::squashed;

/// Namespaces of ids that callers' own systems give to customers.
const CUSTOMERS: [&str; 4] = ["contact_id", "crm_id", "customer_id", "user_id"];

/// What a contact centre numbers beside its customers, as letters and digits only: campaigns,
/// agents and queues, calls and conversations, places and things. An id of these is shown by
/// everybody who came the same way, or by one person once.
const IMPERSONAL: [&str; 79] = [
    "ad",
    "adgroup",
    "advisor",
    "agent",
    "agentgroup",
    "bot",
    "brand",
    "businessunit",
    "call",
    "calllist",
    "campaign",
    "case",
    "channel",
    "chat",
    "company",
    "contactflow",
    "contactlist",
    "conversation",
    "correlation",
    "country",
    "department",
    "dialer",
    "did",
    "disposition",
    "dnis",
    "event",
    "extension",
    "fbcl",
    "flow",
    "gcl",
    "group",
    "guild",
    "inbox",
    "instance",
    "integration",
    "interaction",
    "ivr",
    "language",
    "leadsource",
    "list",
    "locale",
    "location",
    "mailbox",
    "market",
    "meeting",
    "message",
    "msclk",
    "operator",
    "org",
    "organisation",
    "organization",
    "page",
    "phonesystem",
    "product",
    "project",
    "queue",
    "recording",
    "region",
    "request",
    "room",
    "routingprofile",
    "segment",
    "server",
    "session",
    "site",
    "skill",
    "skillgroup",
    "source",
    "team",
    "tenant",
    "thread",
    "ticket",
    "trace",
    "transaction",
    "transfer",
    "trunk",
    "vdn",
    "widget",
    "workspace",
];

/// What is written behind the name of the thing that is numbered.
const ENDINGS: [&str; 12] =
    ["ids", "id", "sid", "uuid", "guid", "number", "no", "code", "name", "key", "ref", "type"];

/// Whether these are ids that a caller's own system gave to a customer.
pub(super) fn is_customers(namespace: &str) -> bool {
    CUSTOMERS.contains(&namespace)
}

/// Whether these ids name a campaign, an agent or a call and never a person, in whatever way they
/// are spelled: `campaign_id`, `CampaignID`, `campaign`, `utm_campaign`.
pub(super) fn is_impersonal(namespace: &str) -> bool {
    let word = squashed(namespace);
    let thing = |word: &str| IMPERSONAL.contains(&word);
    word.starts_with("utm")
        || thing(&word)
        || ENDINGS.iter().filter_map(|ending| word.strip_suffix(ending)).any(thing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_told_from_people_however_they_are_spelled() {
        for namespace in [
            "campaign_id",
            "campaignid",
            "campaign-id",
            "campaign id",
            "campaign",
            "campaign_name",
            "utm_campaign",
            "skill_id",
            "agent_id",
            "queue",
            "queue_name",
            "session_id",
            "call_id",
            "call_sid",
            "call_uuid",
            "conversation_id",
            "interaction_id",
            "contact_flow_id",
            "ticket_id",
            "ticket_number",
            "case_number",
            "page_id",
            "trunk_id",
            "thread_id",
            "gclid",
        ] {
            assert!(is_impersonal(namespace), "{namespace}");
        }
        for namespace in [
            "crm_id",
            "contact_id",
            "customer_id",
            "user_id",
            "account_no",
            "account_number",
            "order_number",
            "member_id",
            "loyalty_card",
            "policy_number",
            "patient_id",
            "device_id",
            "caller_id",
            "lead_id",
            "subscriber_id",
            "salesforce_id",
            "namespace_3",
        ] {
            assert!(!is_impersonal(namespace), "{namespace}");
        }
        assert!(CUSTOMERS.iter().all(|namespace| !is_impersonal(namespace)));
    }
}
