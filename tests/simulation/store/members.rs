//! `helpline.workers` with their heartbeats, and the sessions whose advisory locks vouch for them.

use helpline_cluster::ids::WorkerId;
use helpline_cluster::membership::evidence::{Cause, Sight};

use super::{Client, Store};
use crate::engine::Micros;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Worker,
    Proxy,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub role: Role,
    pub client: Client,
    /// In true time: it is only compared with itself, and by the checker.
    pub heartbeat_at: Micros,
    pub draining: bool,
}

/// A direct connection.
#[derive(Clone, Debug)]
pub struct Session {
    pub client: Client,
    /// The member whose lock it holds.
    pub vouches_for: Option<WorkerId>,
    pub leads: bool,
}

impl Store {
    pub fn open_session(&self, client: Client) -> u64 {
        let id = self.new_id();
        self.sessions.borrow_mut().insert(id, Session { client, vouches_for: None, leads: false });
        id
    }

    pub fn end_session(&self, session: u64) {
        self.sessions.borrow_mut().remove(&session);
    }

    pub fn has_session(&self, session: u64) -> bool {
        self.sessions.borrow().contains_key(&session)
    }

    /// None: the session is gone.
    pub fn join(&self, session: u64, id: WorkerId, role: Role) -> Option<()> {
        let client = {
            let mut sessions = self.sessions.borrow_mut();
            let session = sessions.get_mut(&session)?;
            session.vouches_for = Some(id);
            session.client
        };
        let heartbeat_at = self.engine.now();
        self.change(|tables| {
            tables.members.insert(id, Member { role, client, heartbeat_at, draining: false })
        });
        Some(())
    }

    /// None: the session is gone. False: declared dead.
    pub fn heartbeat(&self, session: u64, id: WorkerId) -> Option<bool> {
        self.sessions.borrow().get(&session)?;
        let now = self.engine.now();
        Some(self.change(|tables| match tables.members.get_mut(&id) {
            Some(member) => {
                member.heartbeat_at = now;
                true
            }
            None => false,
        }))
    }

    /// Takes a member's lock on a new session. Not while an older session still holds it.
    pub fn relock(&self, session: u64, id: WorkerId) -> Option<bool> {
        let mut sessions = self.sessions.borrow_mut();
        let taken = sessions.iter().any(|(other, s)| *other != session && s.vouches_for == Some(id));
        let mine = sessions.get_mut(&session)?;
        if !taken {
            mine.vouches_for = Some(id);
        }
        Some(!taken)
    }

    /// The session that holds a member's lock.
    pub fn session_of(&self, id: WorkerId) -> Option<u64> {
        let sessions = self.sessions.borrow();
        sessions.iter().find(|(_, session)| session.vouches_for == Some(id)).map(|(id, _)| *id)
    }

    pub fn is_vouched_for(&self, id: WorkerId) -> bool {
        self.sessions.borrow().values().any(|session| session.vouches_for == Some(id))
    }

    /// snapshot.sql. None: the session is gone.
    pub fn snapshot(&self, session: u64, me: WorkerId) -> Option<Vec<Sight>> {
        self.sessions.borrow().get(&session)?;
        let tables = self.tables();
        let peers = tables.members.iter().filter(|(id, _)| **id != me);
        let sight = |(&id, member): (&WorkerId, &Member)| Sight {
            id,
            held: self.is_vouched_for(id),
            beat: member.heartbeat_at.cast_signed(),
        };
        Some(peers.map(sight).collect())
    }

    /// bury.sql: declares a member dead; for silence only when its heartbeat is still the one that was seen. For an
    /// ended session the lock is taken while the row is deleted, so that nobody who reconnects slips in between.
    pub fn bury(&self, session: u64, sight: Sight, cause: Cause) -> Option<bool> {
        self.sessions.borrow().get(&session)?;
        let Some(member) = self.tables().members.get(&sight.id).cloned() else { return Some(false) };
        match cause {
            Cause::SessionEnded if self.is_vouched_for(sight.id) => return Some(false),
            Cause::Silence if member.heartbeat_at.cast_signed() != sight.beat => return Some(false),
            Cause::SessionEnded | Cause::Silence => {}
        }
        self.remove_member(sight.id, cause, self.engine.now() - member.heartbeat_at);
        Some(true)
    }

    /// As a broken build would, without the heartbeat being looked at.
    pub fn bury_unseen(&self, id: WorkerId) -> bool {
        let Some(member) = self.tables().members.get(&id).cloned() else { return false };
        self.remove_member(id, Cause::Silence, self.engine.now() - member.heartbeat_at);
        true
    }

    fn remove_member(&self, id: WorkerId, cause: Cause, silent_for: Micros) {
        let Some(member) = self.change(|tables| tables.members.remove(&id)) else { return };
        self.checker.buried(id, cause, silent_for, self.is_vouched_for(id));
        // terminate_backends.sql: a frozen leader would keep its lock otherwise.
        self.sessions.borrow_mut().retain(|_, session| session.client != member.client);
    }

    /// Whether this session leads; takes the leader's lock when it is free.
    pub fn try_lead(&self, session: u64) -> bool {
        let mut sessions = self.sessions.borrow_mut();
        let taken = sessions.iter().any(|(other, s)| *other != session && s.leads);
        match sessions.get_mut(&session) {
            Some(mine) if !taken => {
                mine.leads = true;
                true
            }
            _ => false,
        }
    }
}
