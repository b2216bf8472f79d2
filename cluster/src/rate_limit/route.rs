//! Routes as Discord counts them: method, path with its ids taken out, and the major parameter.

use std::sync::Arc;

/// A request's route. Requests with the same template and major parameter share a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    template: Arc<str>,
    major: Arc<str>,
    global: bool,
    callback: bool,
}

impl Route {
    /// `path` is what follows `/api/v10`, without the query: `/channels/1/messages/2`.
    pub fn new(method: &str, path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let mut template = String::with_capacity(path.len() + method.len());
        template.push_str(method);
        template.push(' ');
        for (place, segment) in segments.iter().enumerate() {
            if place > 0 {
                template.push('/');
            }
            template.push_str(Self::general(&segments, place, segment));
        }
        let major = match segments.as_slice() {
            ["channels" | "guilds", id, ..] => (*id).to_owned(),
            ["webhooks" | "interactions", id, token, ..] => format!("{id}/{token}"),
            ["webhooks", id] => (*id).to_owned(),
            _ => String::new(),
        };
        let global = !matches!(segments.first(), Some(&("webhooks" | "interactions")));
        let callback = segments.first() == Some(&"interactions");
        Self { template: template.into(), major: major.into(), global, callback }
    }

    fn general<'a>(segments: &[&str], place: usize, segment: &'a str) -> &'a str {
        let after = |name: &str, distance: usize| place >= distance && segments[place - distance] == name;
        if place == 2 && (after("webhooks", 2) || after("interactions", 2)) {
            ":token"
        } else if after("reactions", 1) {
            ":emoji"
        } else if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            ":id"
        } else {
            segment
        }
    }

    /// Method and path without ids, such as `POST channels/:id/messages`.
    pub fn template(&self) -> &Arc<str> {
        &self.template
    }

    /// Channel, server, or webhook with its token; empty when the route has none.
    pub fn major(&self) -> &Arc<str> {
        &self.major
    }

    /// Whether the route counts to the bot's global limit. Interaction endpoints do not.
    pub fn counts_globally(&self) -> bool {
        self.global
    }

    /// The first reply to an interaction: due within three seconds, and a bucket of its own.
    pub fn is_callback(&self) -> bool {
        self.callback
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn a_route_keeps_its_major_parameter_and_loses_the_other_ids() {
        let route = Route::new("PATCH", "/channels/12/messages/34");
        assert_eq!(&**route.template(), "PATCH channels/:id/messages/:id");
        assert_eq!(&**route.major(), "12");
        assert!(route.counts_globally());
    }

    #[test]
    fn interactions_and_webhooks_are_outside_the_global_limit() {
        let callback = Route::new("POST", "/interactions/1/aW50OjE/callback");
        assert_eq!(&**callback.template(), "POST interactions/:id/:token/callback");
        assert_eq!(&**callback.major(), "1/aW50OjE");
        assert!(!callback.counts_globally() && callback.is_callback());
        let edit = Route::new("PATCH", "/webhooks/9/tok/messages/@original");
        assert_eq!(&**edit.template(), "PATCH webhooks/:id/:token/messages/@original");
        assert!(!edit.counts_globally() && !edit.is_callback());
    }

    #[test]
    fn the_method_is_part_of_the_route() {
        assert_ne!(Route::new("GET", "/channels/1"), Route::new("DELETE", "/channels/1"));
    }
}
