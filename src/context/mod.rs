//! What were we talking about? Intents, variables, profile and history, and
//! what of them may be shown. Pure: no I/O, no clock.
